"""A whole cluster on loopback: real ssh, real agents, simulated GPUs and engines under traffic."""
