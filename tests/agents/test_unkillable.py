"""Processes that even SIGKILL does not end: frozen by the freezer of cgroup v1, which is how the kernel waits too.

Where there is no such freezer, the signal is kept from them instead.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from agents.instances import keeper, runner
from agents.processes import process, tree
from engines.devices import Slice
from profiles.desired.model import InstanceSpec, Wanted
from profiles.observed.status import EventKind, GpuProcess, InstanceStatus, Phase
from tests.fakes.supervised import Agent, spec

FREEZER = Path("/sys/fs/cgroup/freezer")

Freeze = Callable[[list[int]], Callable[[], None]]
"""Make pids unkillable; what is returned ends that."""


@pytest.fixture(params=["frozen", "spared"])
def freeze(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Freeze]:
    monkeypatch.setattr(process, "KILL_LIMIT_S", 0.3)
    monkeypatch.setattr(keeper, "TROUBLE_S", 0.1)
    if request.param == "spared":
        yield lambda pids: _spare(pids, monkeypatch)
        return
    group = FREEZER / f"gpuyard-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no freezer of cgroup v1: {error.strerror}")

    def begin(pids: list[int]) -> Callable[[], object]:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        return lambda: (group / "freezer.state").write_text("THAWED")

    yield begin
    (group / "freezer.state").write_text("THAWED")
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    group.rmdir()


def _spare(pids: list[int], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    real = tree.send
    spared = set(pids)
    monkeypatch.setattr(tree, "send", lambda one, number: None if one.pid in spared else real(one, number))

    def end() -> None:
        for pid in spared:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    return end


async def test_what_survives_is_named_until_it_is_gone_and_that_is_told(agent: Agent, freeze: Freeze) -> None:
    agent.set(spec("chat/0", "--children", "1"))
    ready = await agent.until_phase(Phase.READY)
    worker = next(pid for pid in agent.mine() if pid != ready.pid)
    end = freeze([worker])
    agent.set(spec("chat/0", "--children", "1", wanted=Wanted.STOPPED))
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert (failed.reason.code, failed.reason.text) == ("survived_kill", f"processes {worker} survived SIGKILL")
    agent.set(spec("chat/0"))  # nothing is started beside it
    await agent.kill()
    agent.start()  # and the next daemon knows of it, too
    again = await agent.until_phase(Phase.FAILED)
    assert again.reason is not None
    assert str(worker) in again.reason.text
    assert agent.mine() == [worker]
    agent.set(spec("chat/0", "--children", "1", wanted=Wanted.STOPPED))
    end()
    await agent.until_phase(Phase.STOPPED)
    assert agent.mine() == []
    told = [event.text for event in agent.events.after(0, 99) if event.kind is EventKind.EXIT]
    assert f"processes {worker}, which survived SIGKILL, are gone now" in told


async def test_an_instance_that_left_the_document_stays_while_something_of_it_lives(
    agent: Agent, freeze: Freeze
) -> None:
    agent.set(spec("chat/0", "--ignore-term", drain_s=0.0))
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid is not None
    end = freeze([ready.pid])
    agent.set()
    await agent.until(lambda one: one.reason is not None and one.reason.code == "survived_kill")
    assert agent.layout.instance("chat/0").handle.exists()
    end()
    async with asyncio.timeout(20):
        while agent.status() is not None:
            await asyncio.sleep(0.02)
    assert not agent.layout.instance("chat/0").directory.exists()


def part(number: int) -> Slice:
    """So little of a GPU that memory keeps nobody else off it."""
    return Slice(gpu_uuid=f"GPU-{number}", gpu_index=number, memory_mib=100)


def is_kept_off(one: InstanceStatus) -> bool:
    return one.phase is Phase.PENDING and one.reason is not None and one.reason.code == "gpu_left"


async def test_nothing_else_starts_on_a_gpu_where_processes_are_left(agent: Agent, freeze: Freeze) -> None:
    def wanted() -> tuple[InstanceSpec, ...]:
        chat = spec("chat/0", "--children", "1", wanted=Wanted.STOPPED, slices=(part(1),))
        return chat, spec("embed/0", slices=(part(1),)), spec("rerank/0", slices=(part(2),))

    agent.set(spec("chat/0", "--children", "1", slices=(part(1),)))
    ready = await agent.until_phase(Phase.READY)
    end = freeze([next(pid for pid in agent.mine() if pid != ready.pid)])
    agent.set(spec("chat/0", "--children", "1", wanted=Wanted.STOPPED, slices=(part(1),)))
    await agent.until_phase(Phase.FAILED)
    agent.set(*wanted())
    await agent.until_phase(Phase.READY, "rerank/0")  # other GPUs go on
    waits = await agent.until(is_kept_off, "embed/0")
    assert waits.reason is not None
    assert waits.reason.text == "chat/0 left something on the same GPU"
    await agent.kill()
    agent.start()  # the next daemon keeps it off, too
    await agent.until_phase(Phase.FAILED)
    await agent.until(is_kept_off, "embed/0")
    assert [one.instance for one in agent.events.after(0, 99) if "pending → starting" in one.text].count("embed/0") == 0
    end()
    await agent.until_phase(Phase.READY, "embed/0")
    await agent.until_phase(Phase.STOPPED)


async def test_nothing_else_starts_on_a_gpu_whose_memory_is_not_given_back(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RELEASE_LIMIT_S", 0.1)
    monkeypatch.setattr(keeper, "TROUBLE_S", 0.1)
    agent.set(spec("chat/0", slices=(part(1),)))
    await agent.until_phase(Phase.READY)
    held = GpuProcess(pid=4_000_000, memory_mib=50, instance="chat/0")
    (gpu,) = agent.board.status().gpus
    agent.board.set_gpus([msgspec.structs.replace(gpu, processes=(held,))])
    stopped = spec("chat/0", wanted=Wanted.STOPPED, slices=(part(1),))
    agent.set(stopped)
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert failed.reason.code == "not_released"
    agent.set(stopped, spec("embed/0", slices=(part(1),)))
    await agent.until(is_kept_off, "embed/0")
    agent.board.set_gpus([gpu])
    await agent.until_phase(Phase.READY, "embed/0")
