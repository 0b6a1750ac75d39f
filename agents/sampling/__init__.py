"""The clocks of the agent: host, GPUs and engines, read and turned into readings and events."""
