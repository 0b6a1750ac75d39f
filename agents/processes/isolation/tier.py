"""The seam between a start and what isolates it."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from agents.failpoints import inherited
from agents.processes import shim
from profiles.desired.resources import Limits
from profiles.observed.isolation import NodeIsolation

SHIM_LIMIT_S = 15.0

_RUN = "import sys; sys.path.append(sys.argv[1]); import shim; sys.exit(shim.main(*sys.argv[2:]))"
"""Imported, so that it is not compiled for each engine: that would cost every one of them a megabyte."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the engine of one start goes: a cgroup that is there, or one that its unit makes below `unit_mount`."""

    cgroup: str = ""
    unit_mount: str = ""


class Answer(msgspec.Struct, frozen=True):
    """How the shim's start ended: one of its exit statuses, and a sentence."""

    status: int
    text: str = ""


class Tier(Protocol):
    """One way to keep engines apart."""

    isolation: NodeIsolation

    def place(self, instance: str, incarnation: int, limits: Limits) -> Place:
        """Make room for a start, with its limits. `instance` as its directory is called. Raises OSError."""
        ...

    async def start(self, directory: Path, launch: bytes, limits: Limits) -> Answer:
        """Run the shim of the instance in `directory`. Raises TimeoutError after SHIM_LIMIT_S, OSError."""
        ...


def shim_argv(directory: Path, *words: str) -> tuple[str, ...]:
    """The shim's program: it imports nothing but itself and the standard library."""
    return (sys.executable, "-I", "-S", "-c", _RUN, str(Path(shim.__file__).absolute().parent), str(directory), *words)


async def run_shim(directory: Path, launch: bytes) -> Answer:
    """As a process of our own that detaches itself; the launch on its stdin."""
    process = await asyncio.create_subprocess_exec(
        *shim_argv(directory), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, start_new_session=True, cwd="/", env={"PATH": os.defpath, **inherited()},
    )  # fmt: skip
    return await _ended(process, launch)


async def call(argv: Sequence[str]) -> Answer:
    """Run one command of a service manager."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    return await _ended(process, None)


async def _ended(process: asyncio.subprocess.Process, sent: bytes | None) -> Answer:
    try:
        async with asyncio.timeout(SHIM_LIMIT_S):
            _, errors = await process.communicate(sent)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    text = errors.decode(errors="replace").strip()[-500:]
    return Answer(process.returncode, text) if process.returncode >= 0 else Answer(shim.DIED, "the shim was killed")
