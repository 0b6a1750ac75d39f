"""One node of the demo: its names, files, simulated GPUs and agent."""

import asyncio
import fcntl
import os
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from console.demo.child import end, python, spawn
from console.demo.mps import install
from engines.simulated_device import (
    CLAIMS_DIRECTORY,
    DEVICES_FILE,
    DIRECTORY_VARIABLE,
    LOCK_FILE,
    SimulatedGpu,
    encode_devices,
)

SITES = ("fra", "ams", "par", "dub")
NODES_A_SITE = 2
RESTART_S = 1.0


def names(count: int) -> list[str]:
    """fra-1, fra-2, ams-1, … and from the start again with higher numbers."""
    rounds = NODES_A_SITE * len(SITES)
    return [
        f"{SITES[at % rounds // NODES_A_SITE]}-{at // rounds * NODES_A_SITE + at % NODES_A_SITE + 1}"
        for at in range(count)
    ]


@dataclass(frozen=True)
class DemoNode:
    name: str
    root: Path
    gpus: tuple[SimulatedGpu, ...]
    driver: Path | None = None
    """Where the library of the fake NVIDIA driver is, when the GPUs are read through it."""

    @property
    def site(self) -> str:
        return self.name.partition("-")[0]

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def socket(self) -> Path:
        return self.state / "agent.sock"

    @property
    def simulated(self) -> Path:
        return self.root / "gpus"

    @property
    def driver_state(self) -> Path:
        """What the fake driver tells of this node's GPUs."""
        return self.root / "driver"

    def make(self) -> int:
        """Write the GPUs and lock them: the descriptor whose closing tells the engines that the demo is gone."""
        (self.simulated / CLAIMS_DIRECTORY).mkdir(parents=True)
        (self.simulated / DEVICES_FILE).write_bytes(encode_devices(self.gpus))
        lock = os.open(self.simulated / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def change(self, index: int, switches: Mapping[str, object]) -> None:
        """Let something become of one GPU."""
        gpus = [replace(gpu, **switches) if gpu.index == index else gpu for gpu in self.gpus]
        draft = self.simulated / f"{DEVICES_FILE}.new"
        draft.write_bytes(encode_devices(gpus))
        draft.replace(self.simulated / DEVICES_FILE)

    async def start_agent(self) -> asyncio.subprocess.Process:
        argv = python("agents", "serve", "--state", self.state, "--simulated", self.simulated)
        path = f"{install(self.root / 'bin', self.simulated)}:{os.environ.get('PATH', os.defpath)}"
        env = {**os.environ, "PATH": path, DIRECTORY_VARIABLE: str(self.simulated)}
        if self.driver is not None:
            env |= {"LD_LIBRARY_PATH": str(self.driver), "FAKE_NVML": str(self.driver_state)}
        return await spawn(argv, self.root / "agent.log", env)

    async def keep_agent(self, agent: asyncio.subprocess.Process) -> None:
        """Another one whenever `agent` ends, as a service manager would; until cancelled, when it ends for good."""
        while True:
            try:
                await agent.wait()
            finally:
                await end(agent)
            await asyncio.sleep(RESTART_S)
            agent = await self.start_agent()

    def attach(self, role: str) -> list[str]:
        """What a login with `role` runs, whatever it asks for. An agent of its own would outlive the demo."""
        return python("agents", "attach", "--state", self.state, "--role", role, "--no-start")


def plan_nodes(root: Path, count: int, gpus: int, seed: int, driver: Path | None = None) -> list[DemoNode]:
    chance = random.Random(seed)
    return [
        DemoNode(name, root / name, tuple(_gpu(index, chance) for index in range(gpus)), driver)
        for name in names(count)
    ]


def _gpu(index: int, chance: random.Random) -> SimulatedGpu:
    """Sizes as an H100 SXM with 80 GB reports them (NVML, driver 580)."""
    return SimulatedGpu(
        uuid=f"GPU-{uuid.UUID(int=chance.getrandbits(128), version=4)}",
        index=index,
        name="NVIDIA H100 80GB HBM3",
        memory_total_mib=81_559,
        memory_reserved_mib=614,
        power_limit_w=700.0,
    )
