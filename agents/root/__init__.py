"""`gpuyard-agent-root`: carries out the calls of agents.privilege, one a process, and nothing else."""
