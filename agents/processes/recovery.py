"""An engine that lives without a record: its shim died between starting it and writing handle.json.

It cannot be started twice, since it holds the instance's lock; without a handle it could not be stopped either. So
the handle is written anew, from who holds the lock: its incarnation is the one that took the lock last.
"""

import asyncio
import fcntl
import os
from pathlib import Path

from agents import state
from agents.layout import InstanceLayout
from agents.processes import shim, tree
from agents.processes.isolation import hierarchy
from agents.processes.process import Handle

LIMIT_S = 5.0


async def recover(paths: InstanceLayout, marker: tuple[str, str], port: int, limit_s: float = LIMIT_S) -> Handle | None:
    """The handle, durable; None once nobody holds the lock, or when its holder is not to be known. Raises OSError."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while is_locked(paths):
        if engine := _holder(paths, marker):
            handle = _handle_of(engine, last_taken(paths), port)
            state.save(paths.handle, handle)
            return handle
        if asyncio.get_running_loop().time() > deadline:
            return None
        await asyncio.sleep(0.05)
    return None


def is_locked(paths: InstanceLayout) -> bool:
    """Whether an engine, or a shim that starts one, holds the instance's lock."""
    try:
        lock = os.open(paths.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def last_taken(paths: InstanceLayout) -> int:
    """The newest incarnation that a shim ever began to start, 0 before the first: the next one must be later."""
    try:
        lock = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return shim.last_taken(lock)
    finally:
        os.close(lock)


def _holder(paths: InstanceLayout, marker: tuple[str, str]) -> tree.Stat | None:
    """The engine's main process: marked, leader of its session, with the lock open since before it was executed."""
    lock = paths.lock.stat()
    for one in tree.everyone().values():
        if one.session == one.pid and tree.marked(one.pid) == marker and _has_open(one.pid, lock):
            return one
    return None


def _has_open(pid: int, file: os.stat_result) -> bool:
    try:
        found = [entry.stat() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any((one.st_dev, one.st_ino) == (file.st_dev, file.st_ino) for one in found)


def _handle_of(engine: tree.Stat, incarnation: int, port: int) -> Handle:
    """A shim that still lives, however late, is its parent; otherwise there is none."""
    above = tree.stat(engine.parent) if engine.parent > 1 else None
    return Handle(
        pid=engine.pid,
        start_ticks=engine.start_ticks,
        boot_id=tree.boot_id(),
        shim_pid=above.pid if above else 0,
        shim_start_ticks=above.start_ticks if above else 0,
        incarnation=incarnation,
        port=port,
        cgroup=hierarchy.engine_group(engine.pid),
    )
