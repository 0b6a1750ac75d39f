"""Engines that are steered while they run: real processes of the simulated engine under a supervisor."""

import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.errors import Refused
from agents.instances.acts import Acts
from engines.control import Act
from engines.devices import Slice
from engines.simulated_device import Claim, claim_file, decode_claim, encode_claim
from profiles.desired.model import InstanceSpec, Wanted
from profiles.observed.status import EventKind, InstanceStatus, Phase
from tests.engines.simulated_process import FAST, yard
from tests.fakes.supervised import Agent

SLICE = Slice(gpu_uuid="GPU-a", gpu_index=0)


def wanted(state: Wanted = Wanted.RUNNING, **options: Any) -> InstanceSpec:
    return InstanceSpec(
        name="chat/0", service="chat", engine="simulated", model="m", slices=(SLICE,), wanted=state,
        options={**FAST, "decode_base_ms": 1.0, **options},
    )  # fmt: skip


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    one = Agent(tmp_path)
    one.simulated = yard(tmp_path / "yard")
    one.start()
    yield one
    await one.kill()
    for pid in one.mine():
        os.kill(pid, signal.SIGKILL)


def held_mib(agent: Agent) -> int:
    """By its engine, of `GPU-a`."""
    one = agent.status()
    assert agent.simulated is not None
    assert one is not None
    assert one.pid is not None
    return decode_claim((agent.simulated / claim_file(one.pid)).read_bytes()).gpus["GPU-a"]


def get(one: InstanceStatus, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{one.port}{path}", timeout=10) as answer:
        return json.load(answer)


def models(one: InstanceStatus) -> list[str]:
    return [model["id"] for model in get(one, "/v1/models")["data"]]


async def test_it_sleeps_through_an_agents_restart_and_wakes(agent: Agent) -> None:
    agent.set(wanted())
    ready = await agent.until_phase(Phase.READY)
    assert held_mib(agent) == 2000
    agent.set(wanted(Wanted.SLEEPING))
    asleep = await agent.until_phase(Phase.SLEEPING)
    assert (asleep.pid, asleep.slices, held_mib(agent)) == (ready.pid, (SLICE,), 0)
    await agent.kill()
    agent.start()
    again = await agent.until_phase(Phase.SLEEPING)
    assert (again.pid, held_mib(agent)) == (ready.pid, 0)
    agent.set(wanted())
    woken = await agent.until_phase(Phase.READY)
    assert (woken.pid, held_mib(agent)) == (ready.pid, 2000)
    assert [one.code for one in agent.events.after(0, 99) if one.kind is EventKind.PHASE][-1] == "woken"


async def test_one_that_is_started_anew_sleeps_again(agent: Agent) -> None:
    agent.set(wanted(Wanted.SLEEPING))
    first = await agent.until_phase(Phase.SLEEPING)
    agent.set(wanted(Wanted.SLEEPING, seed=1))
    second = await agent.until(lambda one: one.phase is Phase.SLEEPING and one.pid != first.pid)
    assert held_mib(agent) == 0
    agent.set(wanted(Wanted.STOPPED, seed=1))
    await agent.until_phase(Phase.STOPPED)
    assert second.pid not in agent.mine()


async def test_one_that_cannot_wake_says_why_and_wakes_when_it_can(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.instances.steering.RETRY_S", 0.0)
    monkeypatch.setattr("agents.instances.keeper.TROUBLE_S", 0.1)
    agent.set(wanted(Wanted.SLEEPING))
    asleep = await agent.until_phase(Phase.SLEEPING)
    assert agent.simulated is not None
    other = agent.simulated / claim_file(os.getpid())
    other.write_bytes(encode_claim(Claim(pid=os.getpid(), name="whisper", gpus={"GPU-a": 79_000})))
    agent.set(wanted())
    degraded = await agent.until_phase(Phase.DEGRADED)
    assert degraded.reason is not None
    assert degraded.reason.code == "not_awake"
    assert "CUDA out of memory" in degraded.reason.text
    other.unlink()
    assert (await agent.until_phase(Phase.READY)).pid == asleep.pid


async def test_an_agent_that_died_in_a_call_asks_whether_it_sleeps(agent: Agent) -> None:
    agent.set(wanted(Wanted.SLEEPING))
    asleep = await agent.until_phase(Phase.SLEEPING)
    await agent.kill()
    file = agent.layout.instance("chat/0").spec
    file.write_text(file.read_text().replace('"asleep":true', '"asleep":null'))
    agent.start()
    assert (await agent.until_phase(Phase.SLEEPING)).pid == asleep.pid
    agent.set(wanted())
    await agent.until_phase(Phase.READY)
    assert held_mib(agent) == 2000


async def test_lora_adapters_come_and_go_without_a_restart(agent: Agent) -> None:
    agent.set(wanted(enable_lora=True))
    ready = await agent.until_phase(Phase.READY)
    agent.set(wanted(enable_lora=True, lora_modules=["a=/l/a", "b=/l/b"]))
    await agent.until(lambda one: models(one) == ["m", "a", "b"])
    await agent.kill()
    agent.start()
    await agent.until_phase(Phase.READY)
    agent.set(wanted(enable_lora=True, lora_modules=["b=/l/b"]))
    after = await agent.until(lambda one: models(one) == ["m", "b"])
    assert (after.pid, after.phase, after.restarts) == (ready.pid, Phase.READY, 0)


async def test_an_adapter_that_is_not_there_degrades_it_until_it_is_taken_out(agent: Agent) -> None:
    agent.set(wanted(enable_lora=True))
    ready = await agent.until_phase(Phase.READY)
    agent.set(wanted(enable_lora=True, lora_modules=["a=/l/a", "b=/l/missing"]))
    degraded = await agent.until_phase(Phase.DEGRADED)
    assert degraded.reason is not None
    assert degraded.reason.code == "not_changed"
    assert "No adapter found for /l/missing" in degraded.reason.text
    agent.set(wanted(enable_lora=True, lora_modules=["a=/l/a"]))
    after = await agent.until_phase(Phase.READY)
    assert (after.pid, models(after)) == (ready.pid, ["m", "a"])


async def test_what_cannot_sleep_is_refused(agent: Agent) -> None:
    with pytest.raises(Refused) as refused:
        agent.set(wanted(Wanted.SLEEPING, enable_sleep_mode=False))
    assert refused.value.code == "invalid"
    assert "enable_sleep_mode" in refused.value.message


async def test_an_act_is_done_once_and_on_record(agent: Agent) -> None:
    acts = Acts(agent.supervisor.serving, agent.events)
    with pytest.raises(Refused, match="does not serve"):
        await acts.perform("chat/0", Act.FLUSH_CACHE, "ann")
    agent.set(wanted())
    await agent.until_phase(Phase.READY)
    await acts.perform("chat/0", Act.FLUSH_CACHE, "ann")
    (event,) = [one for one in agent.events.after(0, 99) if one.code == "controlled"]
    assert (event.instance, event.author, event.text) == ("chat/0", "ann", "flush-cache is done")
    with pytest.raises(Refused, match="a state") as refused:
        await acts.perform("chat/0", Act.SLEEP, "ann")
    assert refused.value.hint == "use `gpuyard sleep`"
