"""What an agent makes of engines that freeze: the fake one, and the simulated one through its own adapter."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.instances import probe
from engines import registry
from engines.abilities import Liveness
from engines.base import Launch
from profiles.desired.model import InstanceSpec, Wanted
from profiles.observed.status import EventKind, InstanceStatus, Phase
from tests.fakes.supervised import Agent, spec


class Told:
    """What the fake engine says of itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.say()

    def say(self, **told: object) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(told))
        draft.replace(self._path)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "told.json")


async def started(agent: Agent, tmp_path: Path, **options: object) -> InstanceStatus:
    flags = ["--control", str(tmp_path / "told.json")]
    agent.set(spec(options={"extra_args": flags, **options}))
    return await agent.until_phase(Phase.READY)


async def until_code(agent: Agent, code: str) -> InstanceStatus:
    return await agent.until(lambda one: one.reason is not None and one.reason.code == code)


async def test_requests_without_progress_stall_and_a_token_heals(agent: Agent, told: Told, tmp_path: Path) -> None:
    ready = await started(agent, tmp_path)
    told.say(running=2)
    stalled = await until_code(agent, "no_progress")
    assert (stalled.phase, stalled.pid, stalled.restarts) == (Phase.STALLED, ready.pid, 0)
    told.say(running=2, tokens=1)
    assert (await agent.until_phase(Phase.READY)).pid == ready.pid
    moves = [event.text for event in agent.events.after(0, 99) if event.kind is EventKind.PHASE]
    assert any(text.startswith("ready → stalled") for text in moves)
    assert any(text.startswith("stalled → ready") for text in moves)


async def test_one_that_looks_idle_and_gives_no_token_stalls(agent: Agent, told: Told, tmp_path: Path) -> None:
    await started(agent, tmp_path)
    told.say(mute=["/v1/completions"])
    stalled = await until_code(agent, "no_answer")
    assert stalled.phase is Phase.STALLED
    told.say()
    await agent.until_phase(Phase.READY)


async def test_one_that_refuses_a_token_is_degraded(agent: Agent, told: Told, tmp_path: Path) -> None:
    await started(agent, tmp_path)
    told.say(refuse=500)
    degraded = await until_code(agent, "token_refused")
    assert degraded.phase is Phase.DEGRADED
    assert degraded.reason is not None
    assert "HTTP 500" in degraded.reason.text
    told.say()
    await agent.until_phase(Phase.READY)


async def test_one_that_answers_nothing_but_tokens_is_degraded(agent: Agent, told: Told, tmp_path: Path) -> None:
    await started(agent, tmp_path)
    told.say(mute=["/metrics", "/health"])
    await until_code(agent, "unanswered")
    told.say()
    await agent.until_phase(Phase.READY)


async def test_slots_that_change_are_progress(agent: Agent, told: Told, tmp_path: Path) -> None:
    await started(agent, tmp_path, detail=True)
    told.say(running=1, slots=[{"n_decoded": 1}])
    await until_code(agent, "no_progress")
    told.say(running=1, slots=[{"n_decoded": 2}])
    await agent.until_phase(Phase.READY)


async def test_a_stopped_process_stalls_and_goes_on(agent: Agent, told: Told, tmp_path: Path) -> None:
    ready = await started(agent, tmp_path)
    assert ready.pid is not None
    os.kill(ready.pid, signal.SIGSTOP)
    try:
        await agent.until(lambda one: one.phase is Phase.STALLED)
    finally:
        os.kill(ready.pid, signal.SIGCONT)
    assert (await agent.until_phase(Phase.READY)).pid == ready.pid


async def test_a_frozen_engine_is_adopted_as_one_that_was_ready(agent: Agent, told: Told, tmp_path: Path) -> None:
    ready = await started(agent, tmp_path)
    assert ready.pid is not None
    os.kill(ready.pid, signal.SIGSTOP)
    try:
        await agent.kill()
        agent.start()
        stalled = await agent.until(lambda one: one.phase is Phase.STALLED)
        assert stalled.pid == ready.pid
    finally:
        os.kill(ready.pid, signal.SIGCONT)
    await agent.until_phase(Phase.READY)


async def test_a_stalled_engine_is_stopped_without_a_drain(agent: Agent, told: Told, tmp_path: Path) -> None:
    await started(agent, tmp_path)
    told.say(running=2)
    await until_code(agent, "no_progress")
    flags = ["--control", str(tmp_path / "told.json")]
    agent.set(spec(options={"extra_args": flags}, wanted=Wanted.STOPPED))
    await agent.until_phase(Phase.STOPPED)
    assert not [event for event in agent.events.after(0, 99) if "→ draining" in event.text]


@pytest.fixture
async def simulating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agent]:
    """With the simulated engine's own adapter, but not its patience."""
    engine = type(registry.get("simulated"))
    patient = engine.liveness  # type: ignore[attr-defined]

    def impatient(self: object, launch: Launch) -> Liveness:
        found: Liveness = patient(self, launch)
        assert found.one_token is not None
        return replace(found, one_token=replace(found.one_token, timeout_s=1.0))

    monkeypatch.setattr(engine, "liveness", impatient)
    one = Agent(tmp_path)
    one.start()
    yield one
    await one.kill()
    for pid in one.mine():
        os.kill(pid, signal.SIGKILL)


def simulated(**options: object) -> InstanceSpec:
    return spec(engine="simulated", options={"load_seconds": 0.1, **options})


async def test_a_simulated_engine_that_hangs_while_idle_stalls(simulating: Agent) -> None:
    simulating.set(simulated(hang_after=1.0))
    ready = await simulating.until_phase(Phase.READY)
    stalled = await simulating.until_phase(Phase.STALLED)
    assert stalled.pid == ready.pid
    assert ready.port is not None
    assert (await probe.get(ready.port, "/health", 5.0)).status == 200


async def test_a_simulated_engine_that_hangs_under_load_stalls(simulating: Agent) -> None:
    simulating.set(simulated(hang_after=1.0))
    ready = await simulating.until_phase(Phase.READY)
    assert ready.port is not None
    ask = json.dumps({"model": "m", "prompt": "a", "max_tokens": 4000}).encode()
    request = asyncio.create_task(probe.post(ready.port, "/v1/completions", ask, 600.0))
    try:
        stalled = await until_code(simulating, "no_progress")
        assert stalled.reason is not None
        assert "1 running" in stalled.reason.text
        assert (await probe.get(ready.port, "/health", 5.0)).status == 200
    finally:
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)


async def test_a_simulated_engine_that_is_idle_but_well_stays_ready(simulating: Agent) -> None:
    simulating.set(simulated())
    ready = await simulating.until_phase(Phase.READY)
    assert ready.port is not None
    async with asyncio.timeout(20):  # until it was asked for two tokens
        while (
            b'generation_tokens_total{engine="0",model_name="m"} 2.0'
            not in (await probe.get(ready.port, "/metrics", 5.0)).body
        ):
            await asyncio.sleep(0.1)
    status = simulating.status()
    assert status is not None
    assert (status.phase, status.restarts) == (Phase.READY, 0)
