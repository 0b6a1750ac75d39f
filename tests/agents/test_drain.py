"""Drains and stops of an engine that says what is in flight."""

import asyncio
import json
import os
import signal
from pathlib import Path

import msgspec
import pytest

from agents.instances import draining
from agents.instances.draining import drain_reason, limit_s
from engines.base import EngineSample
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.observed.status import EventKind, Phase
from tests.fakes.supervised import Agent, spec


class Traffic:
    """What the fake engine says is in flight."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.say(running=0)

    def say(self, **told: object) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(told))
        draft.replace(self._path)

    def spec(self, *flags: str, **changes: object) -> InstanceSpec:
        return spec("chat/0", "--control", str(self._path), *flags, **changes)


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(tmp_path / "traffic.json")


def exits(agent: Agent) -> list[str]:
    return [event.text for event in agent.events.after(0, 99) if event.kind is EventKind.EXIT]


async def test_a_stop_waits_for_running_requests(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec())
    await agent.until_phase(Phase.READY)
    traffic.say(running=3)
    agent.set(traffic.spec(wanted=Wanted.STOPPED))
    draining = await agent.until_phase(Phase.DRAINING)
    assert draining.reason is not None
    assert draining.reason.code == "draining"
    assert "3 running, 0 waiting" in draining.reason.text
    traffic.say(running=1)
    await agent.until(lambda one: one.reason is not None and "1 running" in one.reason.text)
    assert draining.pid in agent.mine()
    traffic.say(running=0)
    stopped = await agent.until_phase(Phase.STOPPED)
    assert stopped.reason is not None
    assert "cut off" not in stopped.reason.text
    assert exits(agent) == ["stopped: exit code 0"]


async def test_at_the_limit_it_says_what_is_cut_off(
    agent: Agent, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "DRAIN_S", 0.5)
    agent.set(traffic.spec())
    await agent.until_phase(Phase.READY)
    traffic.say(running=2)
    agent.set(traffic.spec(wanted=Wanted.STOPPED))
    await agent.until_phase(Phase.DRAINING)
    stopped = await agent.until_phase(Phase.STOPPED)
    assert stopped.reason is not None
    assert "cut off: " in stopped.reason.text
    assert "2 running" in stopped.reason.text


async def test_a_stop_at_once_waits_for_nothing_and_hurries_a_drain(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec())
    await agent.until_phase(Phase.READY)
    traffic.say(running=2)
    agent.set(traffic.spec(wanted=Wanted.STOPPED))
    await agent.until_phase(Phase.DRAINING)
    agent.set(traffic.spec(wanted=Wanted.STOPPED, drain_s=0.0))
    await agent.until_phase(Phase.STOPPED)
    assert agent.mine() == []


async def test_a_stop_at_once_hurries_a_stop_that_waits_for_a_deaf_engine(agent: Agent, traffic: Traffic) -> None:
    agent.supervisor._context = msgspec.structs.replace(agent.supervisor._context, grace_s=600.0)
    agent.set(traffic.spec("--ignore-term"))
    await agent.until_phase(Phase.READY)
    agent.set(traffic.spec("--ignore-term", wanted=Wanted.STOPPED))
    await agent.until_phase(Phase.STOPPING)
    agent.set(traffic.spec("--ignore-term", wanted=Wanted.STOPPED, drain_s=0.0))
    await agent.until_phase(Phase.STOPPED)
    assert agent.mine() == []
    assert exits(agent) == ["stopped: killed by SIGKILL"]


async def test_a_drained_engine_is_held_empty_until_it_is_started(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec())
    ready = await agent.until_phase(Phase.READY)
    traffic.say(running=1)
    agent.set(traffic.spec(wanted=Wanted.DRAINED))
    busy = await agent.until_phase(Phase.DRAINING)
    assert busy.reason is not None
    assert busy.reason.code == "draining"
    traffic.say(running=0)
    held = await agent.until(lambda one: one.reason is not None and one.reason.code == "empty")
    assert (held.phase, held.pid, held.wanted) == (Phase.DRAINING, ready.pid, Wanted.DRAINED)
    agent.set(traffic.spec())
    back = await agent.until_phase(Phase.READY)
    assert back.pid == ready.pid


async def test_a_drained_engine_is_still_held_by_the_next_agent(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec(wanted=Wanted.DRAINED))
    held = await agent.until(lambda one: one.reason is not None and one.reason.code == "empty")
    await agent.kill()
    agent.start()
    again = await agent.until(lambda one: one.reason is not None and one.reason.code == "empty")
    assert (again.phase, again.pid) == (Phase.DRAINING, held.pid)


async def test_a_restart_drains_first(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec())
    first = await agent.until_phase(Phase.READY)
    traffic.say(running=1)
    agent.set(traffic.spec(restarts_asked=1))
    assert (await agent.until_phase(Phase.DRAINING)).pid == first.pid
    traffic.say(running=0)
    await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)


async def test_one_that_leaves_the_document_drains_first(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec())
    await agent.until_phase(Phase.READY)
    traffic.say(running=1)
    agent.set()
    await agent.until_phase(Phase.DRAINING)
    traffic.say(running=0)
    async with asyncio.timeout(20):
        while agent.status() is not None:
            await asyncio.sleep(0.02)
    assert agent.mine() == []


async def test_one_that_dies_while_it_drains_is_stopped(agent: Agent, traffic: Traffic) -> None:
    agent.set(traffic.spec())
    ready = await agent.until_phase(Phase.READY)
    traffic.say(running=1)
    agent.set(traffic.spec(wanted=Wanted.STOPPED))
    await agent.until_phase(Phase.DRAINING)
    assert ready.pid is not None
    os.kill(ready.pid, signal.SIGKILL)
    await agent.until_phase(Phase.STOPPED)
    assert agent.mine() == []


@pytest.mark.parametrize(
    ("sample", "code", "said"),
    [
        (None, "draining", "do not answer"),
        (EngineSample(), "empty", "does not tell"),
        (EngineSample(running=0.0, waiting=0.0), "empty", "nothing is in flight"),
        (EngineSample(running=0.0, waiting=2.0), "draining", "0 running, 2 waiting"),
        (EngineSample(waiting=1.0), "draining", "1 waiting"),
    ],
)
def test_how_a_drain_stands(sample: EngineSample | None, code: str, said: str) -> None:
    reason = drain_reason(sample)
    assert reason.code == code
    assert said in reason.text


def test_how_long_an_end_waits() -> None:
    assert limit_s(None) == draining.DRAIN_S
    for drain_s, expected_s in ((None, draining.DRAIN_S), (0.0, 0.0), (7.0, 7.0)):
        assert limit_s(DesiredInstance(profile="p", revision=1, spec=spec(drain_s=drain_s))) == expected_s
