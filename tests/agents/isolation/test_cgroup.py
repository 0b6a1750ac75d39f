"""Tier `cgroup` on the real hierarchy of this machine, where it lets us make a group."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.layout import InstanceLayout
from agents.processes import process, tree
from agents.processes.isolation import cgroup, hierarchy
from agents.processes.isolation.cgroup import Cgroup
from agents.processes.process import Exit, Handle
from agents.processes.spawn import CannotExecute, Launch, spawn
from profiles.desired.resources import CPU_WEIGHT, CPUS, MEMORY, Limits
from profiles.observed.isolation import agreement

ESCAPES = """
import os, time
if os.fork() == 0:
    os.setsid()
    os.environb.clear()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["renamed", "600"], {})
    os._exit(0)
time.sleep(600)
"""
"""A child that daemonises itself: another session, another parent, no marker. Only the cgroup still knows it."""


@pytest.fixture
def tier(tmp_path: Path) -> Cgroup:
    found = cgroup.probe(tmp_path)
    if isinstance(found, str):
        pytest.skip(f"no cgroup of our own on this machine: {found}")
    return found


class Engines:
    """Started in `tier`, ended at the end."""

    def __init__(self, directory: Path, tier: Cgroup) -> None:
        self.directory, self.tier = directory, tier
        self.handles: list[Handle] = []

    async def start(self, code: str, limits: Limits | None = None) -> Handle:
        launch = Launch(argv=(sys.executable, "-S", "-c", code), env={}, incarnation=len(self.handles) + 1, port=1)
        paths = InstanceLayout(self.directory)
        self.handles.append(await spawn(paths, launch, self.tier, limits or Limits()))
        return self.handles[-1]

    async def end(self, handle: Handle) -> Exit:
        assert await process.kill_all(handle, ("", "")) == []
        record = await process.read_exit(InstanceLayout(self.directory), handle)
        assert record is not None
        return record


@pytest.fixture
async def engines(tmp_path: Path, tier: Cgroup) -> AsyncIterator[Engines]:
    found = Engines(tmp_path, tier)
    yield found
    for handle in found.handles:
        assert await process.kill_all(handle, ("", "")) == []


async def until_escaped(handle: Handle) -> set[int]:
    """The engine and its daemon, once the one between them has gone."""
    async with asyncio.timeout(10):
        while True:
            pids = hierarchy.pids(Path(handle.cgroup))
            found = {pid: tree.stat(pid) for pid in pids - {handle.pid}}
            if len(pids) == 2 and all(one and one.parent in (1, handle.shim_pid) for one in found.values()):
                return pids
            await asyncio.sleep(0.01)


async def test_the_engine_is_born_in_its_group_and_its_shim_is_not(engines: Engines) -> None:
    code = "import sys, time; print(open('/proc/self/cgroup').read(), flush=True); time.sleep(600)"
    handle = await engines.start(code)
    group = Path(handle.cgroup)
    assert hierarchy.pids(group) == {handle.pid}
    log = InstanceLayout(engines.directory).log(1)
    async with asyncio.timeout(10):
        while group.name not in log.read_text():
            await asyncio.sleep(0.01)
    assert hierarchy.is_populated(group)
    await engines.end(handle)
    assert not group.exists()


async def test_what_daemonised_itself_dies_with_the_engine(engines: Engines) -> None:
    handle = await engines.start(ESCAPES)
    pids = await until_escaped(handle)
    os.kill(handle.shim_pid, signal.SIGKILL)  # the sub-reaper: without it nothing ties the escaped one to us
    found = tree.stat(handle.shim_pid)
    while found and not found.zombie:
        await asyncio.sleep(0.01)
        found = tree.stat(handle.shim_pid)
    assert {one.pid for one in process.members(handle, ("", ""))} == pids
    assert await process.kill_all(handle, ("", "")) == []
    assert not [pid for pid in pids if (one := tree.stat(pid)) and not one.zombie]
    assert not Path(handle.cgroup).exists()


async def test_a_kernel_without_cgroup_kill_freezes_and_kills(engines: Engines) -> None:
    handle = await engines.start(ESCAPES)
    await until_escaped(handle)
    hierarchy._kill_frozen(Path(handle.cgroup))
    async with asyncio.timeout(10):
        while hierarchy.is_populated(Path(handle.cgroup)):
            await asyncio.sleep(0.01)
    assert (await engines.end(handle)).signal == signal.SIGKILL


async def test_the_shim_cleans_its_group_when_no_agent_does(engines: Engines) -> None:
    handle = await engines.start("import time; time.sleep(0.2)")
    async with asyncio.timeout(10):
        while Path(handle.cgroup).exists():
            await asyncio.sleep(0.01)
    assert not Path(handle.cgroup).parent.exists()


async def test_a_program_that_cannot_be_executed_leaves_no_group(tmp_path: Path, tier: Cgroup) -> None:
    launch = Launch(argv=("/nowhere/engine",), env={}, incarnation=1, port=1)
    with pytest.raises(CannotExecute, match="No such file"):
        await spawn(InstanceLayout(tmp_path), launch, tier)
    assert not Path(tier.place("x", 1, Limits()).cgroup).parent.joinpath(f"{tmp_path.name}@1").exists()
    hierarchy.leave(Path(tier.place("x", 1, Limits()).cgroup))


async def test_a_memory_limit_is_the_kernels_and_is_told(engines: Engines) -> None:
    if MEMORY not in engines.tier.isolation.holds:
        pytest.skip(f"memory: {engines.tier.isolation.absent[MEMORY]}")
    limits = Limits(memory_mib=64)
    handle = await engines.start("x = bytearray(512 << 20)\nimport time; time.sleep(600)", limits)
    assert Path(handle.cgroup, "memory.max").read_text() == f"{64 << 20}\n"
    record = await process.read_exit(InstanceLayout(engines.directory), handle, limit_s=30)
    assert record is not None
    assert record.text() == "killed by the kernel: memory limit of 64 MiB"


async def test_a_cpu_weight_is_written(engines: Engines) -> None:
    if CPU_WEIGHT not in engines.tier.isolation.holds:
        pytest.skip(f"cpu_weight: {engines.tier.isolation.absent[CPU_WEIGHT]}")
    handle = await engines.start("import time; time.sleep(600)", Limits(cpu_weight=200))
    assert Path(handle.cgroup, "cpu.weight").read_text() == "200\n"


def test_every_limit_is_held_or_refused_with_a_reason(tier: Cgroup) -> None:
    shown = agreement(Limits(memory_mib=64, cpu_weight=200, cpus="0"), tier.isolation)
    assert {*shown.enforced, *shown.not_enforced} == {MEMORY, CPU_WEIGHT, CPUS}
    assert all({**shown.enforced, **shown.not_enforced}.values())


async def test_the_group_of_a_start_is_made_anew_when_the_base_has_gone(tmp_path: Path, tier: Cgroup) -> None:
    first = Path(tier.place("a", 1, Limits()).cgroup)
    hierarchy.leave(first)
    assert not first.parent.exists()
    second = Path(tier.place("a", 2, Limits()).cgroup)
    assert second.is_dir()
    hierarchy.leave(second)


async def test_groups_that_nobody_removed_are_swept(engines: Engines, tmp_path: Path, tier: Cgroup) -> None:
    handle = await engines.start("import time; time.sleep(600)")
    base = Path(handle.cgroup).parent
    other = base.with_name(cgroup.base_name(tmp_path / "other"))
    for empty in (base / "gone.0@1", other / "gone.0@1"):
        empty.mkdir(parents=True)
    cgroup.sweep(base.parent, base)
    assert hierarchy.pids(base) == {handle.pid}
    assert not (base / "gone.0@1").exists()
    assert other.exists()  # it may be the place of a start just now
    os.utime(other / "gone.0@1", (0, 0))
    cgroup.sweep(base.parent, base)
    assert not other.exists()
    assert hierarchy.pids(base) == {handle.pid}
