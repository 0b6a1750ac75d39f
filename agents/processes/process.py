"""An engine's process: know it again, see its exit, end it with all its children. agents.processes.spawn starts it.

handle.json ──adopt──► Process ── pidfd readable ──► exited
"""

import asyncio
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from agents import state
from agents.failpoints import reach
from agents.layout import InstanceLayout
from agents.processes import tree
from agents.processes.isolation import hierarchy
from engines.abilities import SignalStep

KILL_LIMIT_S = 10.0
RECORD_LIMIT_S = 5.0


class Handle(msgspec.Struct, frozen=True, kw_only=True):
    """Who the engine is: (boot, pid, start time) is an identity. Ticks are those of /proc/PID/stat."""

    pid: int
    start_ticks: int
    boot_id: str
    shim_pid: int
    shim_start_ticks: int
    incarnation: int
    port: int
    cgroup: str = ""
    """Of the engine and all that it started; "" has none."""

    def age_s(self) -> float:
        """Seconds since its start."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.start_ticks / os.sysconf("SC_CLK_TCK")


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How an incarnation ended: with a code, or by a signal. `oom_kills` are the kernel's, for its memory limit."""

    incarnation: int
    at_unix_s: float
    code: int | None = None
    signal: int | None = None
    oom_kills: int = 0
    memory_mib: int | None = None

    def text(self) -> str:
        if not self.oom_kills:
            return self._how()
        by_kernel = f"killed by the kernel: memory limit of {self.memory_mib} MiB"
        return by_kernel if self.signal == signal.SIGKILL else f"{self._how()}, after a process of it was {by_kernel}"

    def _how(self) -> str:
        if self.signal is not None:
            return (
                f"killed by {signal.Signals(self.signal).name}" if self.signal in _SIGNALS else f"signal {self.signal}"
            )
        return f"exit code {self.code}"


_SIGNALS = {int(number) for number in signal.Signals}


class Process:
    """A living engine, started or adopted. `changed` is called once when it exits."""

    def __init__(self, handle: Handle, pidfd: int, changed: Callable[[], None]) -> None:
        self.handle = handle
        self.exited = asyncio.Event()
        self._pidfd = pidfd
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pidfd, self._on_exit)

    def close(self) -> None:
        """Stop watching; the engine goes on."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def signal(self, number: signal.Signals) -> None:
        """To the main process alone: a signal to the group breaks engines that drain with their workers."""
        if self._pidfd >= 0 and not self.exited.is_set():
            for one in (number, signal.SIGCONT):
                try:
                    signal.pidfd_send_signal(self._pidfd, one)
                except ProcessLookupError:
                    return

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.exited.set()
        self._changed()


def adopt(handle: Handle, changed: Callable[[], None]) -> Process | None:
    """The process of `handle` if it still lives.

    Opened first, compared after: the other way round a reused pid could slip in between. A dead process that
    nobody has reaped still has its start time, but its pidfd is readable.
    """
    if handle.boot_id != tree.boot_id():
        return None
    try:
        pidfd = os.pidfd_open(handle.pid)
    except ProcessLookupError:
        return None
    found = tree.stat(handle.pid)
    if found is None or found.start_ticks != handle.start_ticks or select.select([pidfd], [], [], 0)[0]:
        os.close(pidfd)
        return None
    return Process(handle, pidfd, changed)


def members(handle: Handle, marker: tuple[str, str]) -> list[tree.Stat]:
    """Every living process of the engine, its shim apart."""
    if handle.boot_id != tree.boot_id():
        return []
    engine = tree.Stat(handle.pid, 0, handle.pid, handle.start_ticks, False)
    keeper = tree.Stat(handle.shim_pid, 0, 0, handle.shim_start_ticks, False)
    grouped = hierarchy.pids(Path(handle.cgroup)) if handle.cgroup else set()
    return tree.members(engine, keeper, marker, grouped)


async def stop(
    process: Process, marker: tuple[str, str], steps: Iterable[SignalStep], hurry: asyncio.Event | None = None
) -> list[tree.Stat]:
    """End the engine and everything that it started: ask, wait, kill. What even SIGKILL left.

    Setting `hurry` ends the wait of the step in hand; each step after it is waited for anew.
    """
    reach("before-terminate")
    hurry = hurry or asyncio.Event()
    for step in steps:
        hurry.clear()
        process.signal(signal.Signals[step.signal])
        if await _ends(process, step.wait_s, hurry):
            break
    reach("before-kill")
    return await kill_all(process.handle, marker)


async def _ends(process: Process, limit_s: float, hurry: asyncio.Event) -> bool:
    """Whether it exits in time."""
    waits = [asyncio.create_task(event.wait()) for event in (process.exited, hurry)]
    try:
        await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return process.exited.is_set()


async def kill_all(handle: Handle, marker: tuple[str, str]) -> list[tree.Stat]:
    """SIGKILL to every process of the engine until none is left; what survives KILL_LIMIT_S is returned."""
    deadline = asyncio.get_running_loop().time() + KILL_LIMIT_S
    group = Path(handle.cgroup) if handle.cgroup else None
    while left := members(handle, marker):
        if group:
            hierarchy.kill(group)
        for one in left:
            tree.send(one, signal.SIGKILL)
        if asyncio.get_running_loop().time() > deadline:
            return left
        await asyncio.sleep(0.02)
    if group:
        hierarchy.leave(group)
    return []


async def read_exit(paths: InstanceLayout, handle: Handle, limit_s: float = RECORD_LIMIT_S) -> Exit | None:
    """The record of an ended incarnation, waiting for the shim to write it; None if the shim is gone without."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while True:
        found = tree.stat(handle.shim_pid)
        shim_lives = found is not None and found.start_ticks == handle.shim_start_ticks and not found.zombie
        record = state.load(paths.exit, Exit)
        if isinstance(record, Exit) and record.incarnation == handle.incarnation:
            return record
        if not shim_lives or asyncio.get_running_loop().time() > deadline:
            return None
        await asyncio.sleep(0.02)


def port_is_free(port: int) -> bool:
    """Could an engine listen on this loopback port now? Lingering closed connections do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
