"""Tier `plain`: processes and nothing around them. Found again by pid, session, descent and marker."""

from collections.abc import Mapping
from pathlib import Path

from agents.processes.isolation.tier import Answer, Place, run_shim
from profiles.desired.resources import CPU_WEIGHT, CPUS, MEMORY, Limits
from profiles.observed.isolation import NodeIsolation, Tier

AFFINITY = "CPU affinity, which the engine itself could change"


class Plain:
    """Always possible. `better` says of each other tier why it is not."""

    def __init__(self, better: Mapping[str, str] | None = None) -> None:
        why = "engines are plain processes here, without a cgroup of their own"
        self.isolation = NodeIsolation(
            tier=Tier.PLAIN,
            better=dict(better or {}),
            holds={CPUS: AFFINITY},
            absent={MEMORY: why, CPU_WEIGHT: f"{why}, and `nice` is no share"},
        )

    def place(self, instance: str, incarnation: int, limits: Limits) -> Place:
        return Place()

    async def start(self, directory: Path, launch: bytes, limits: Limits) -> Answer:
        return await run_shim(directory, launch)
