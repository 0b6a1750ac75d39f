"""What both unit tiers say to systemd, as data (systemd.service(5), systemd.resource-control(5), version 252).

A unit runs the shim, which leaves the instance's processes in the unit's cgroup, the engine in a group of its own
below it: so everything after the start is what tier `cgroup` does, and systemd is asked for nothing more.
systemd hands no stdin on: the launch, which holds secrets, goes through a FIFO of mode 0600.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Awaitable
from pathlib import Path

import msgspec

from agents import state
from agents.processes import shim
from agents.processes.isolation.tier import SHIM_LIMIT_S, Answer
from profiles.desired.resources import CPU_WEIGHT, CPUS, MEMORY, Limits

RUNS = Path("/run/systemd/system")
"""There while systemd runs the machine (sd_booted(3))."""

ASK_LIMIT_S = 5.0
SETTINGS = (
    "Type=forking",
    "GuessMainPID=no",
    "Delegate=yes",
    "KillMode=mixed",
    "OOMPolicy=continue",
    "TimeoutStopSec=60",
    "UMask=0077",
)
"""`forking`: the start is over once the handle is written; `continue`: the shim lives to tell of the kernel's kill."""

HOLDS = {MEMORY: "systemd MemoryMax", CPU_WEIGHT: "systemd CPUWeight", CPUS: "systemd AllowedCPUs"}


def limit_settings(limits: Limits) -> tuple[str, ...]:
    """All of them each time: what an earlier start set must not stay."""
    return (
        f"MemoryMax={'infinity' if limits.memory_mib is None else f'{limits.memory_mib}M'}",
        f"CPUWeight={100 if limits.cpu_weight is None else limits.cpu_weight}",
        f"AllowedCPUs={limits.cpus or ''}",
    )


def ask(*argv: str) -> str | None:
    """What a command prints, None when it fails or is not there. Only for the agent's start: it blocks."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


class Said(msgspec.Struct, frozen=True):
    """The file that a shim answers with."""

    status: int
    text: str


async def start_by(manager: Awaitable[Answer], directory: Path, launch: bytes) -> Answer:
    """Let the manager start the shim of `directory`, and feed it. Its own word counts more than the manager's."""
    fifo, answer = directory / shim.FIFO, directory / shim.ANSWER
    for file in (fifo, answer):
        file.unlink(missing_ok=True)
    os.mkfifo(fifo, 0o600)
    try:
        async with asyncio.timeout(SHIM_LIMIT_S):
            feeding = asyncio.create_task(_feed(fifo, launch))
            try:
                asked = await manager
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
        said = state.load(answer, Said)
        return Answer(said.status, said.text) if isinstance(said, Said) else asked
    finally:
        for file in (fifo, answer):
            file.unlink(missing_ok=True)


async def _feed(fifo: Path, launch: bytes) -> None:
    """Opened once the shim reads; a shim that never comes is the manager's to report."""
    while True:
        with contextlib.suppress(OSError):  # nobody reads yet
            pipe = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            break
        await asyncio.sleep(0.01)
    try:
        while launch:
            try:
                launch = launch[os.write(pipe, launch) :]
            except BlockingIOError:
                await asyncio.sleep(0.01)
    finally:
        os.close(pipe)
