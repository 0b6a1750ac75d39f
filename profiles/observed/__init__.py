"""What is, as types that nodes tell: instances, GPUs, processes, findings, histories."""
