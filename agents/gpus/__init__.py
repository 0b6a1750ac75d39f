"""Read GPUs in a process of their own: a driver that hangs must not hang the agent."""
