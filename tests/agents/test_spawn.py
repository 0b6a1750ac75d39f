"""A start that is cut short anywhere leaves one engine with its record, or nothing at all."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents import state
from agents.failpoints import POINTS, VARIABLE
from agents.layout import InstanceLayout
from agents.processes import process, recovery, tree
from agents.processes.process import Handle
from agents.processes.recovery import is_locked, last_taken, recover
from agents.processes.spawn import AlreadyLocked, CannotExecute, Launch, spawn

SLEEP = "import time; time.sleep(600)"
SHIM_STARTS = [point for point in POINTS if point in ("shim-locked", "shim-detached", "shim-spawned", "shim-recorded")]


class Instance:
    """The directory of one instance, and its marker."""

    def __init__(self, directory: Path) -> None:
        self.paths = InstanceLayout(directory)
        self.marker = ("test/0", str(directory))

    async def start(self, incarnation: int, code: str = SLEEP) -> Handle:
        env = {tree.MARKER: self.marker[0], tree.MARKER_STATE: self.marker[1]}
        argv = (sys.executable, "-S", "-c", code)
        return await spawn(self.paths, Launch(argv=argv, env=env, incarnation=incarnation, port=7))

    def engines(self) -> list[int]:
        return [pid for pid in tree.everyone() if tree.marked(pid) == self.marker]


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    found = Instance(tmp_path)
    yield found
    for pid in found.engines():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("point", SHIM_STARTS)
async def test_a_shim_killed_at_any_step_of_a_start(
    instance: Instance, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{point}:kill")
    started = point in ("shim-spawned", "shim-recorded")
    if started:
        handle = await instance.start(1)
        assert instance.engines() == [handle.pid]
        assert state.load(instance.paths.handle, Handle) == handle
        assert handle.incarnation == 1
    else:
        with pytest.raises(CannotExecute, match=r"the shim (died|was killed)"):
            await instance.start(1)
        assert instance.engines() == []
    monkeypatch.delenv(VARIABLE)
    assert is_locked(instance.paths) is started
    if started:
        with pytest.raises(AlreadyLocked):
            await instance.start(2)
        living = process.adopt(handle, lambda: None)
        assert living is not None
        living.close()
        assert await process.kill_all(handle, instance.marker) == []
        assert await process.read_exit(instance.paths, handle) is None  # nobody saw it: said to be unknown
    assert (await instance.start(last_taken(instance.paths) + 1)).pid in instance.engines()


async def test_a_shim_that_lost_its_disk_starts_nothing(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "shim-detached:error")
    with pytest.raises(CannotExecute):
        await instance.start(1)
    assert instance.engines() == []


async def test_a_later_agent_finds_the_engine_without_a_handle(instance: Instance) -> None:
    handle = await instance.start(3)
    os.kill(handle.shim_pid, signal.SIGKILL)
    instance.paths.handle.unlink()
    found = await recover(instance.paths, instance.marker, 7)
    assert found is not None
    assert (found.pid, found.start_ticks, found.incarnation, found.port) == (handle.pid, handle.start_ticks, 3, 7)
    assert state.load(instance.paths.handle, Handle) == found


async def test_a_lock_that_nobody_known_holds_recovers_nothing(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await recover(instance.paths, instance.marker, 7) is None
    with instance.paths.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert await recover(instance.paths, instance.marker, 7, limit_s=0.1) is None
    assert not instance.paths.handle.exists()


async def test_thirty_killed_shims_and_no_engine_harmed(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "LIMIT_S", 1.0)
    for incarnation in range(1, 31):
        handle = await instance.start(incarnation)
        os.kill(handle.shim_pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while (found := tree.stat(handle.shim_pid)) and not found.zombie:
                await asyncio.sleep(0.005)
        living = process.adopt(handle, lambda: None)
        assert living is not None, f"the engine died with its shim, round {incarnation}"
        living.close()
        with pytest.raises(AlreadyLocked):
            await instance.start(incarnation + 1)
        assert instance.engines() == [handle.pid]
        assert await process.kill_all(handle, instance.marker) == []
        assert await process.read_exit(instance.paths, handle) is None
