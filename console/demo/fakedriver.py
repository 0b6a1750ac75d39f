"""The fake NVIDIA driver of the tests, for a demo whose GPUs are read through NVML. Only a checkout has it."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from console.demo.child import python, spawn
from console.demo.node import DemoNode

BUILD_LIMIT_S = 60.0
_FOLLOWER = "tests.fakes.nvml.follow"


async def start_driver(library: Path, nodes: Iterable[DemoNode], log: Path) -> asyncio.subprocess.Process:
    """Build it, and let it do as the simulated GPUs of `nodes` do. Raises OSError, TimeoutError."""
    pairs = [path for node in nodes for path in (node.simulated, node.driver_state)]
    follower = await spawn(python(_FOLLOWER, library, *pairs), log)
    async with asyncio.timeout(BUILD_LIMIT_S):
        while not (library / "ready").exists():
            if follower.returncode is not None:
                lines = log.read_text("utf-8", "replace").strip().splitlines()
                raise OSError(f"no fake driver: {lines[-1] if lines else 'it ended at once'}")
            await asyncio.sleep(0.05)
    return follower
