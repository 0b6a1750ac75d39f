"""How much disk the logs of engines may take, and who gives back what is over it.

The shim frees its engine's log while both live. An engine whose shim was killed goes on writing: then the agent does.
"""

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from agents.layout import InstanceLayout
from agents.processes import shim, tree
from agents.processes.process import Handle

KEPT = 5
"""Incarnations of an instance whose logs are there."""

FILESYSTEM_RATIO = 0.2
"""Of the filesystem of the state directory, for the logs of all instances together."""

LEAST_BYTES = 1024 * 1024
LOOK_S = 1.0


class Written(msgspec.Struct, frozen=True):
    """A living engine and its log."""

    handle: Handle
    log: Path


def budget_bytes(directory: Path, instances: int, most_bytes: int = shim.LOG_BUDGET_BYTES) -> int:
    """For one log, when so many instances share the filesystem of `directory`. Raises OSError."""
    found = os.statvfs(directory)
    share = FILESYSTEM_RATIO * found.f_blocks * found.f_frsize / (KEPT * max(1, instances))
    return max(LEAST_BYTES, min(most_bytes, int(share)))


def drop_old(paths: InstanceLayout, newest: int) -> None:
    """Of the incarnations before `newest`, keep the logs of as many as fit beside its own."""
    for path in paths.directory.glob("log.*"):
        number = path.name.partition(".")[2]
        if number.isdigit() and int(number) <= newest - KEPT:
            path.unlink(missing_ok=True)


class LogSpace:
    """`written` are the engines that live; their logs are on the filesystem of `directory`."""

    def __init__(self, directory: Path, written: Callable[[], Sequence[Written]]) -> None:
        self._directory = directory
        self._written = written
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._freed: dict[Path, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Free what is over the budget in the logs of those whose shim is gone."""
        living = self._written()
        alone = [one.log for one in living if not _has_shim(one.handle)]
        self._freed = {log: self._free(log, self._freed.get(log, 0), len(living)) for log in alone}

    def _free(self, log: Path, freed: int, living: int) -> int:
        """A log or a disk that refuses is tried again at the next look."""
        with contextlib.suppress(OSError):
            descriptor = os.open(log, os.O_WRONLY | os.O_CLOEXEC)
            try:
                return shim.free_old(self._libc, descriptor, budget_bytes(self._directory, living), freed)
            finally:
                os.close(descriptor)
        return freed


def _has_shim(handle: Handle) -> bool:
    found = tree.stat(handle.shim_pid)
    return found is not None and not found.zombie and found.start_ticks == handle.shim_start_ticks
