"""What an instance has of a GPU is granted before its engine starts, looked after while it serves, and given back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.fractions.fractions import Fractions
from agents.fractions.mechanism import CannotGrant, Grant
from engines.devices import MigSlot, ShareMode, Slice
from profiles.desired.model import Wanted
from profiles.observed.status import Phase, Reason
from tests.fakes.supervised import Agent, spec

PART = Slice(gpu_uuid="GPU-1", gpu_index=0, mig=MigSlot(profile="1g.10gb", start=0, size=1), memory_mib=9728)
LOOSE = Reason("unanswered", "it escaped")


class Told:
    """A mechanism that says what it is told to, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusal: CannotGrant | None = None
        self.problem: Reason | None = None
        self.living = ""

    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        self.asked.append("grant")
        if self.refusal:
            raise self.refusal
        return Grant(env={"PART": slices[0].gpu_uuid, "LANG": "of the grant"})

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        if "verify" not in self.asked:
            self.asked.append("verify")
        return self.problem

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        self.asked.append("release")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def granting(agent: Agent, told: Told) -> Agent:
    await agent.kill()
    agent.fractions = Fractions({ShareMode.MIG: told})
    agent.start()
    return agent


async def test_granted_before_the_start_and_given_back_after_the_end(
    granting: Agent, told: Told, tmp_path: Path
) -> None:
    dump = tmp_path / "env"
    one = spec("chat/0", "--dump-env", str(dump), slices=(PART,))
    granting.set(one)
    await granting.until_phase(Phase.READY)
    async with asyncio.timeout(5):
        while "verify" not in told.asked:
            await asyncio.sleep(0.02)
    assert told.asked == ["grant", "verify"]
    lines = dump.read_text().splitlines()
    assert {"PART=GPU-1", "LANG=of the grant"} <= set(lines)
    granting.set(spec("chat/0", "--dump-env", str(dump), slices=(PART,), wanted=Wanted.STOPPED))
    await granting.until_phase(Phase.STOPPED)
    async with asyncio.timeout(5):
        while "release" not in told.asked:
            await asyncio.sleep(0.02)
    assert granting.mine() == []
    assert told.asked.count("release") == 1


async def test_an_engine_that_is_not_held_to_its_part_is_degraded_until_it_is(granting: Agent, told: Told) -> None:
    granting.set(spec(slices=(PART,)))
    await granting.until_phase(Phase.READY)
    told.problem = LOOSE
    assert (await granting.until_phase(Phase.DEGRADED)).reason == LOOSE
    told.problem = None
    await granting.until_phase(Phase.READY)


async def test_a_part_that_may_come_free_is_asked_for_again(granting: Agent, told: Told) -> None:
    told.refusal = CannotGrant("node_error", "not now", again=True)
    granting.set(spec(slices=(PART,)))
    waiting = await granting.until_phase(Phase.BACKOFF)
    assert waiting.reason == told.refusal.reason
    told.refusal = None
    await granting.until_phase(Phase.READY)


async def test_a_part_that_cannot_be_had_fails_the_instance(granting: Agent, told: Told) -> None:
    told.refusal = CannotGrant("share_mode_unknown", "there is none")
    granting.set(spec(slices=(PART,)))
    assert (await granting.until_phase(Phase.FAILED)).reason == told.refusal.reason
    assert granting.mine() == []


async def test_the_next_agent_gives_back_what_the_last_one_granted(granting: Agent, told: Told) -> None:
    granting.set(spec(slices=(PART,)))
    pid = (await granting.until_phase(Phase.READY)).pid
    await granting.kill()
    granting.start()
    assert (await granting.until_phase(Phase.READY)).pid == pid
    assert told.asked.count("grant") == 1
    granting.set()
    async with asyncio.timeout(10):
        while "release" not in told.asked:
            await asyncio.sleep(0.02)


async def test_a_share_mode_that_no_mechanism_serves_is_refused() -> None:
    with pytest.raises(CannotGrant) as refused:
        await Fractions().grant("chat/0", [PART])
    assert refused.value.reason.code == "share_mode_unknown"
