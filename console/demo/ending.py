"""The end of the engines: told by their GPUs' lock, waited for, and forced where one does not listen."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

LEAVE_LIMIT_S = 4.0
KILL_LIMIT_S = 2.0


class _Handle(msgspec.Struct, frozen=True):
    """The part of an instance's handle.json that says which processes are its. Ticks are of /proc/PID/stat."""

    pid: int
    start_ticks: int
    shim_pid: int
    shim_start_ticks: int


class _HandleFile(msgspec.Struct, frozen=True):
    """The agent's envelope around it."""

    data: _Handle


async def wait_for_engines(states: list[Path], locks: list[int]) -> None:
    """Let go of the locks; returns once no engine and no shim of these nodes lives."""
    for lock in locks:
        os.close(lock)
    if await _gone(states, LEAVE_LIMIT_S):
        return
    for pid in _living(states):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await _gone(states, KILL_LIMIT_S)


async def _gone(states: list[Path], limit_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while True:
                if not any(_living(states)):
                    return True
                await asyncio.sleep(0.05)
    return False


def _living(states: list[Path]) -> Iterator[int]:
    for state in states:
        for path in state.glob("instances/*/handle.json"):
            try:
                handle = msgspec.json.decode(path.read_bytes(), type=_HandleFile).data
            except (OSError, msgspec.DecodeError):
                continue
            for pid, ticks in ((handle.pid, handle.start_ticks), (handle.shim_pid, handle.shim_start_ticks)):
                if _start_ticks(pid) == ticks:
                    yield pid


def _start_ticks(pid: int) -> int | None:
    """When a living process began; None for none, and for one that only waits to be reaped (proc(5))."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else int(after_name[19])
