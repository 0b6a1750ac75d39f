"""The layout of a GPU is changed under engines: every way it may go ends in the new layout or the old, or says why."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.errors import Refused
from engines import registry
from profiles.gpu.repartition import BlockerKind, ChangePhase
from profiles.observed.mig import MigLayout
from profiles.observed.status import Phase
from tests.agents.divided import GPU, OFF, Divided, code, dividing, on, parts, said
from tests.fakes.nvml.driver import MIB, FakeDriver
from tests.fakes.supervised import FakeEngine

CREATE = "nvmlDeviceCreateGpuInstanceWithPlacement"


@pytest.fixture
async def agent(tmp_path: Path, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Divided]:
    for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
        monkeypatch.setenv(name, driver.env()[name])
    monkeypatch.setattr(registry, "names", lambda: ("fake",))
    monkeypatch.setattr(registry, "get", {"fake": FakeEngine()}.__getitem__)
    async with dividing(tmp_path / "a", driver) as one:
        yield one


async def test_a_layout_is_made_and_engines_run_on_its_parts(agent: Divided) -> None:
    change = await agent.divide("3g.40gb@4 1g.10gb@0 1g.10gb@1")
    assert change.done
    assert await agent.there() == parts("3g.40gb@4 1g.10gb@0 1g.10gb@1")
    assert [line.split(": ")[1].split()[0] for line in agent.on_record] == ["create-gpu-instance"] * 3
    await agent.serve(("a/0", "3g.40gb@4"), ("b/0", "1g.10gb@1"))
    assert agent.device("a/0").startswith("MIG-")
    assert agent.device("a/0") != agent.device("b/0")


async def test_who_stays_is_not_disturbed_and_who_goes_comes_back_with_the_layout(agent: Divided) -> None:
    await agent.divide("3g.40gb@0 3g.40gb@4")
    await agent.serve(("stays/0", "3g.40gb@0"), ("goes/0", "3g.40gb@4"))
    stays = agent.pid("stays/0")
    change = await agent.divide("3g.40gb@0 1g.10gb@4 1g.10gb@5", drain=True)
    assert change.done
    assert agent.pid("stays/0") == stays
    assert code(await agent.until_phase(Phase.FAILED, "goes/0")) == "mig_missing"
    plan = await agent.layouts.plan_undo(GPU)
    assert plan.plan.wanted == parts("3g.40gb@0 3g.40gb@4")
    await agent.layouts.apply(GPU, plan.plan.now, plan.plan.wanted, drain=False, author="ann", reason="undo")
    assert (await agent.over()).done
    assert agent.pid("stays/0") == stays


async def test_an_instance_in_use_is_refused_without_drain_and_foreigners_always(
    agent: Divided, driver: FakeDriver
) -> None:
    await agent.divide("3g.40gb@0 3g.40gb@4")
    await agent.serve(("a/0", "3g.40gb@4"))
    with pytest.raises(Refused, match="it would end a/0") as refused:
        await agent.divide("3g.40gb@0")
    assert "--drain" in refused.value.hint
    driver.set({f"gpu0.gi1.compute.{os.getpid()}": 700 * MIB})
    plan = await agent.layouts.plan(GPU, {"1g.10gb": 2})
    assert {one.kind for one in plan.blockers} == {BlockerKind.INSTANCE, BlockerKind.PROCESS}
    with pytest.raises(Refused, match=f"never ended by it: .*{os.getpid()}"):
        await agent.divide("1g.10gb@6", drain=True)
    with pytest.raises(Refused) as stale:
        await agent.layouts.apply(GPU, parts("7g.80gb@0"), OFF, drain=True, author="ann", reason="")
    assert stale.value.code == "stale"


async def test_one_that_will_not_go_brings_the_old_layout_back(agent: Divided, driver: FakeDriver) -> None:
    await agent.divide("3g.40gb@0 3g.40gb@4")
    await agent.serve(("a/0", "3g.40gb@0"))
    driver.set({"gpu0.gi1.held": 1})
    change = await agent.divide("1g.10gb@6", drain=True)
    assert change.phase is ChangePhase.READY
    assert change.rolling_back
    assert "stays in use" in said(change.failure)
    assert agent.released, "our own reader was taken off the GPU before that was said"
    assert await agent.there() == parts("3g.40gb@0 3g.40gb@4")
    await agent.until_phase(Phase.READY, "a/0")


async def test_no_room_brings_the_old_layout_back_with_new_uuids(agent: Divided, driver: FakeDriver) -> None:
    await agent.divide("3g.40gb@0 3g.40gb@4")
    await agent.serve(("a/0", "3g.40gb@4"))
    before = agent.device("a/0")
    driver.set({"gpu0.refuse.19": 23})
    change = await agent.divide("2g.20gb@0 1g.10gb@6", drain=True)
    assert (change.phase, change.rolling_back) == (ChangePhase.READY, True)
    assert "no room" in said(change.failure)
    assert await agent.there() == parts("3g.40gb@0 3g.40gb@4")
    await agent.until_phase(Phase.READY, "a/0")
    assert agent.device("a/0") != before, "the device was made anew, and looked up anew"


async def test_neither_way_is_stuck_and_says_why_until_it_is_settled(agent: Divided, driver: FakeDriver) -> None:
    await agent.divide("3g.40gb@0 3g.40gb@4")
    await agent.serve(("a/0", "3g.40gb@4"))
    driver.set({"gpu0.refuse.19": 23, "gpu0.refuse.9": 23})
    change = await agent.divide("1g.10gb@6", drain=True)
    assert change.phase is ChangePhase.STUCK
    assert said(change.failure) == "1g.10gb at 6 was not made: no room, or its place is taken"
    assert said(change.why_stuck).startswith("3g.40gb at")
    (trouble,) = agent.board.status().troubles
    assert "gpu0: a change of its MIG layout is stuck" in trouble.text
    waits = await agent.until(lambda one: code(one) == "repartition_stuck", "a/0")
    assert waits.phase is Phase.PENDING
    driver.drop("gpu0.refuse.9")
    agent.layouts.settle(GPU, back=True, author="ben")
    assert (await agent.over()).phase is ChangePhase.READY
    assert await agent.there() == parts("3g.40gb@0 3g.40gb@4")
    assert agent.board.status().troubles == ()
    await agent.until_phase(Phase.READY, "a/0")


async def test_mig_is_turned_on_and_off_with_nothing_of_ours_on_the_gpu(agent: Divided, driver: FakeDriver) -> None:
    driver.set({"gpu0.mig.current": 0, "gpu0.field.184": "u32 0"})
    await agent.serve(("whole/0", ""))
    plan = await agent.layouts.plan(GPU, {"3g.40gb": 2})
    assert plan.plan.switches
    assert plan.resets
    assert {one.kind for one in plan.blockers} == {BlockerKind.INSTANCE, BlockerKind.READER}
    assert (await agent.divide("3g.40gb@0 3g.40gb@4", drain=True)).done
    assert agent.released == 1
    assert (await agent.divide("off", drain=True)).done
    assert agent.released == 2
    assert await agent.there() == MigLayout(mode=False)
    await agent.until_phase(Phase.READY, "whole/0")


async def test_the_next_agent_goes_on(agent: Divided, driver: FakeDriver) -> None:
    await agent.divide("3g.40gb@0 3g.40gb@4")
    await agent.serve(("a/0", "3g.40gb@0"))
    driver.set({f"fault.{CREATE}": "delay 400"})
    await agent.layouts.apply(
        GPU, await agent.there(), parts("1g.10gb@0 1g.10gb@1"), drain=True, author="ann", reason=""
    )
    await agent.until_change(lambda one: one.phase is ChangePhase.CREATING)
    await agent.kill()
    driver.drop(f"fault.{CREATE}")
    agent.start()
    assert (await agent.over()).done
    assert await agent.there() == parts("1g.10gb@0 1g.10gb@1")
    assert code(await agent.until_phase(Phase.FAILED, "a/0")) == "mig_missing"


async def test_after_a_reboot_a_layout_is_made_again_before_any_engine_starts(
    agent: Divided, driver: FakeDriver
) -> None:
    await agent.divide("3g.40gb@0 1g.10gb@4")
    await agent.serve(("a/0", "3g.40gb@0"))
    await agent.kill()
    for pid in agent.mine():
        os.kill(pid, 9)
    (driver.directory / "partition").unlink()
    driver.set({"gpu0.mig.current": 0})  # as on Hopper, whose mode goes too
    agent.boot_id = "boot-2"
    agent.start()
    assert (await agent.over()).done
    assert await agent.there() == parts("3g.40gb@0 1g.10gb@4")
    await agent.until_phase(Phase.READY, "a/0")


async def test_what_others_made_is_left_alone_after_a_reboot(agent: Divided, driver: FakeDriver) -> None:
    driver.set({"gpu0.refuse.19": 23})
    await agent.divide("1g.10gb@6")
    await agent.kill()
    agent.boot_id = "boot-2"
    agent.start()
    await asyncio.sleep(0.1)
    assert not agent.changes.is_busy(GPU)
    assert agent.holds.against_start(on("a/0", "3g.40gb@0").slices) is None
