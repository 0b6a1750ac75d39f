"""Real engines that freeze, with and without requests, and what is made of it: by the adapters' own data.

The agent is less patient than it is for users, except for the 20 s that an engine has for one token.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from agents.instances.liveness import Pace
from agents.sampling.sampler import Sampler
from profiles.desired.model import Wanted
from profiles.observed.status import InstanceStatus, Phase
from tests.real_engines import traffic
from tests.real_engines.served import Served
from tests.real_engines.test_supervisor import Machine

pytestmark = pytest.mark.engines

PACE = Pace(look_s=1.0, stalled_after_s=10.0, unanswered_after_s=8.0, idle_after_s=5.0, retry_after_s=2.0)


@pytest.fixture
async def machine(tmp_path: Path, llama_cpp: Served) -> AsyncIterator[Machine]:
    one = Machine(tmp_path / "state", PACE)
    sampler = Sampler(one.board, one.supervisor, state=tmp_path / "state")
    tasks = [asyncio.create_task(one.supervisor.run()), asyncio.create_task(sampler.run())]
    yield one
    one.want(llama_cpp, wanted=Wanted.STOPPED)
    await one.until(lambda status: status.phase in (Phase.STOPPED, Phase.FAILED), 60.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def ready(machine: Machine, served: Served) -> InstanceStatus:
    machine.want(served)
    return await machine.until(lambda status: status.phase is Phase.READY, served.ready_limit_s)


async def until_code(machine: Machine, code: str) -> InstanceStatus:
    return await machine.until(lambda status: status.reason is not None and status.reason.code == code, 90.0)


def engine_core(api_server: int) -> int:
    """vLLM's engine process, which makes the tokens while another one answers `/health`."""
    children = psutil.Process(api_server).children(recursive=True)
    return next(child.pid for child in children if "EngineCore" in " ".join(child.cmdline()) + child.name())


async def test_an_idle_llama_server_that_is_stopped_is_degraded_then_stalled(
    machine: Machine, llama_cpp: Served
) -> None:
    first = await ready(machine, llama_cpp)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGSTOP)
    try:
        assert (await until_code(machine, "unanswered")).phase is Phase.DEGRADED
        assert (await until_code(machine, "no_answer")).phase is Phase.STALLED
    finally:
        os.kill(first.pid, signal.SIGCONT)
    back = await machine.until(lambda status: status.phase is Phase.READY, 60.0)
    assert back.pid == first.pid


async def test_a_slow_llama_server_is_not_stalled_though_its_counters_stand_still(
    machine: Machine, llama_cpp: Served
) -> None:
    first = await ready(machine, llama_cpp)
    assert first.pid is not None
    assert first.port is not None
    phases: set[Phase] = set()
    model = llama_cpp.model.name.removesuffix(".gguf")
    request = asyncio.create_task(asyncio.to_thread(traffic.stream, first.port, model, 900))
    began_s = time.monotonic()
    while time.monotonic() - began_s < 2 * PACE.stalled_after_s:  # it runs for a few milliseconds in every second
        os.kill(first.pid, signal.SIGSTOP)
        await asyncio.sleep(1.0)
        os.kill(first.pid, signal.SIGCONT)
        await asyncio.sleep(0.005)
        assert not request.done(), "it was not slow enough to show anything"
        phases |= {status.phase for status in machine.board.status().instances}
    await request
    assert phases == {Phase.READY}


async def test_a_frozen_idle_vllm_looks_healthy_and_is_stalled(machine: Machine, vllm: Served) -> None:
    first = await ready(machine, vllm)
    assert first.pid is not None
    assert first.port is not None
    core = engine_core(first.pid)
    os.kill(core, signal.SIGSTOP)
    try:
        stalled = await until_code(machine, "no_answer")
        assert stalled.phase is Phase.STALLED
        assert await asyncio.to_thread(traffic.fetch, first.port, "/health") == (200, "")
    finally:
        os.kill(core, signal.SIGCONT)
    back = await machine.until(lambda status: status.phase is Phase.READY, 90.0)
    assert (back.pid, back.restarts) == (first.pid, 0)


async def frozen_with_a_request(machine: Machine, core: int, port: int, model: str) -> "asyncio.Task[int]":
    """A request that the stopped engine cannot finish; one that was faster than the stop is asked again."""
    for _ in range(5):
        request = asyncio.create_task(asyncio.to_thread(traffic.stream, port, model, 1500))
        await machine.until(lambda status: bool(status.reading and status.reading.running), 30.0)
        os.kill(core, signal.SIGSTOP)
        if not (await asyncio.wait((request,), timeout=2.0))[0]:
            return request
        os.kill(core, signal.SIGCONT)
        await machine.until(lambda status: bool(status.reading and not status.reading.running), 30.0)
    raise AssertionError("five requests ended before the engine could be stopped")


async def test_a_vllm_that_freezes_under_load_is_stalled_and_drains_what_it_has_afterwards(
    machine: Machine, vllm: Served
) -> None:
    first = await ready(machine, vllm)
    assert first.pid is not None
    assert first.port is not None
    core = engine_core(first.pid)
    request = await frozen_with_a_request(machine, core, first.port, vllm.model.name)
    try:
        stalled = await until_code(machine, "no_progress")
        assert stalled.phase is Phase.STALLED
    finally:
        os.kill(core, signal.SIGCONT)
    await machine.until(lambda status: status.phase is Phase.READY, 90.0)
    machine.want(vllm, wanted=Wanted.STOPPED)
    assert await request > 1000, "the stop let it finish"
    await machine.until(lambda status: status.phase is Phase.STOPPED, 60.0)


async def test_a_vllm_whose_engine_process_is_killed_ends_and_is_started_again(machine: Machine, vllm: Served) -> None:
    """Its exit code is 0: nothing but that nobody asked for it says that it is a crash."""
    first = await ready(machine, vllm)
    assert first.pid is not None
    os.kill(engine_core(first.pid), signal.SIGKILL)
    ended = await machine.until(lambda status: status.phase is Phase.BACKOFF, 60.0)
    assert ended.reason is not None
    assert ended.reason.code == "engine_process_died"
    assert "exit code 0: its engine process died" in ended.reason.text
    again = await machine.until(lambda status: status.phase is Phase.READY, vllm.ready_limit_s)
    assert (again.pid == first.pid, again.restarts) == (False, 1)
