"""The node's check-up: what is wrong with this machine, its agent and its GPUs, and what to do about it."""
