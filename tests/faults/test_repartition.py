"""F52, F53, F54: a GPU is divided anew while engines run on it, and something goes wrong at each step.

Whatever it is: the new layout or the old one stands at the end, or the change is stuck and says why; who stays is not
disturbed; who goes is back with its place. Real agents with their readers and helpers, on the fake driver.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from msgspec.structs import replace

from agents.failpoints import REPARTITION_POINTS
from agents.gpus.surveyor import Surveyor
from agents.wire import ApplyLayout, LayoutChanging, Layouts, ReadLayouts, SettleLayout
from console.remote.errors import Lost, RequestFailed
from engines.devices import Slice
from profiles.desired.model import DesiredInstance
from profiles.gpu.repartition import ChangePhase, GpuChange, GpuRecord
from profiles.observed.mig import MigLayout
from tests.agents.divided import OFF, parts, said
from tests.fakes.nvml.build import build
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.nvml.occupied import occupied
from tests.faults.node import FaultNode
from tests.faults.node import node as make
from tests.faults.watcher import Watcher, watching

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

HALVES, MIXED = parts("3g.40gb@0 3g.40gb@4"), parts("3g.40gb@0 1g.10gb@4 1g.10gb@5")
STAYS, GOES, COMES = ("stays/0", "3g.40gb@0"), ("goes/0", "3g.40gb@4"), ("comes/0", "1g.10gb@4")
CREATE, DESTROY = "nvmlDeviceCreateGpuInstanceWithPlacement", "nvmlGpuInstanceDestroy"
LIMIT_S = 120.0
OF_MODE = ("mig-releasing", "mig-mode")


@dataclass
class Yard:
    """One node with a GPU, whoever watches it, and its driver."""

    node: FaultNode
    driver: FakeDriver
    watcher: Watcher
    gpu: str
    """Its UUID."""

    async def run(self, *places: tuple[str, str]) -> None:
        """Want engines on places of the GPU, or, with "", on all of it."""
        wanted = {name: self._spec(name, place) for name, place in places}
        await self.watcher.edit(lambda _: wanted)

    def _spec(self, name: str, place: str) -> DesiredInstance:
        owned = self.node.spec(name)
        part = Slice(gpu_uuid=self.gpu, gpu_index=0, mig=parts(place).slots[0] if place else None)
        return replace(owned, spec=replace(owned.spec, slices=(part,)))

    async def serves(self, name: str) -> int:
        """The pid of an engine that is ready."""
        found = await self.watcher.until_phase(name)
        assert found.pid is not None
        return found.pid

    def why(self, name: str) -> str:
        """The code of the reason of its phase."""
        reason = self.watcher.instances[name].reason
        return reason.code if reason else ""

    async def there(self) -> MigLayout:
        return (await Surveyor().look(self.gpu)).layout()

    async def apply(self, wanted: MigLayout) -> None:
        """Begun, unless the agent dies of it."""
        ask = ApplyLayout(gpu=self.gpu, expected=await self.there(), wanted=wanted, drain=True, key=os.urandom(8).hex())
        while True:
            try:
                await self.watcher.request(ask, LayoutChanging, 30)
                return
            except Lost:
                return
            except RequestFailed as failed:
                if failed.reason.code not in ("not_found", "unavailable"):  # it has not read its GPU yet
                    raise
            await asyncio.sleep(0.1)

    async def settle(self, *, back: bool) -> None:
        await self.watcher.request(SettleLayout(gpu=self.gpu, back=back, key=os.urandom(8).hex()), LayoutChanging)

    async def record(self) -> GpuRecord:
        return (await self.watcher.request(ReadLayouts(), Layouts)).records[0]

    async def over(self) -> GpuChange:
        """The change, once it is over."""
        async with asyncio.timeout(LIMIT_S):
            while (change := (await self.record()).change) is None or not change.over:
                await asyncio.sleep(0.1)
        return change

    async def until(self, phase: ChangePhase) -> None:
        async with asyncio.timeout(LIMIT_S):
            while (change := (await self.record()).change) is None or change.phase is not phase:
                await asyncio.sleep(0.1)

    async def armed(self, what: str) -> None:
        """Another agent, with a fail point."""
        self.node.kill()
        self.node.start(fail_points=what)
        await self.watcher.until(lambda: self.watcher.since_s, "the armed agent streams")

    async def died(self) -> None:
        """The armed agent; then the next one is there."""
        agent = self.node.agent
        assert agent is not None
        async with asyncio.timeout(LIMIT_S):
            while agent.poll() is None:
                await asyncio.sleep(0.02)
        assert agent.returncode == -signal.SIGKILL, self.node.said
        self.node.agent = None
        await self.watcher.restarted(self.node)


@pytest.fixture
async def yard(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Yard]:
    """An H100 in halves."""
    async with yards() as one:
        for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
            monkeypatch.setenv(name, one.driver.env()[name])
        await one.apply(HALVES)
        assert (await one.over()).done
        yield one


@asynccontextmanager
async def yards() -> AsyncIterator[Yard]:
    with make(simulated=False) as node:
        driver = FakeDriver(node.root / "gpus", build(node.root / "gpus"))
        # A UUID of its own: agents of one machine, of tests beside this one too, claim GPUs by it.
        driver.set({"gpu0.mig.current": 1, "gpu0.uuid": f"GPU-{uuid4()}"})
        node.environ = driver.env()
        for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
            os.environ[name] = driver.env()[name]
        try:
            node.start()
            async with occupied(driver, node.state), watching(node.layout.socket) as watcher:
                yield Yard(node, driver, watcher, str(driver.state["gpu0.uuid"]))
        finally:
            for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
                del os.environ[name]


async def test_f54_the_agent_dies_at_every_phase_and_the_next_one_goes_on(yard: Yard) -> None:
    await yard.run(STAYS, GOES, COMES)
    stays, _ = await yard.serves("stays/0"), await yard.serves("goes/0")
    points = [one for one in REPARTITION_POINTS if one not in (*OF_MODE, "mig-stuck")]
    for number, point in enumerate(points):
        target, back = (MIXED, "comes/0") if number % 2 == 0 else (HALVES, "goes/0")
        await yard.armed(f"{point}:kill")
        await yard.apply(target)
        await yard.died()
        change = await yard.over()
        assert (change.done, await yard.there()) == (True, target), f"{point}: {change}"
        await yard.serves(back)
        assert await yard.serves("stays/0") == stays, f"{point} disturbed who stays"
    assert yard.watcher.wrong == []
    assert all(word == "ok" for _, _, word in yard.node.starts()), "no double start"


async def test_f54_the_agent_dies_while_mig_is_turned_on_and_off(yard: Yard) -> None:
    yard.driver.set({"gpu0.field.184": "u32 0", "gpu0.mig.alone": 1})  # as on Ampere
    for point, target in (("mig-releasing", OFF), ("mig-mode", HALVES), ("mig-mode", OFF), ("mig-releasing", HALVES)):
        await yard.armed(f"{point}:kill")
        await yard.apply(target)
        await yard.died()
        assert ((await yard.over()).done, await yard.there()) == (True, target), point


@pytest.mark.parametrize(("call", "phase"), [(CREATE, ChangePhase.CREATING), (DESTROY, ChangePhase.DESTROYING)])
async def test_f54_the_agent_dies_while_its_helper_is_in_the_driver(yard: Yard, call: str, phase: ChangePhase) -> None:
    """The helper goes on without it, and comes to an end after the next agent has begun to look."""
    await yard.run(STAYS, GOES, COMES)
    stays, _ = await yard.serves("stays/0"), await yard.serves("goes/0")
    yard.driver.set({f"fault.{call}": "delay 1500"})
    await yard.apply(MIXED)
    await yard.until(phase)
    yard.node.kill()
    await yard.watcher.restarted(yard.node)
    assert ((await yard.over()).done, await yard.there()) == (True, MIXED)
    await yard.serves("comes/0")
    assert await yard.serves("stays/0") == stays


async def test_f53_in_use_for_ever_goes_back_and_names_the_holder(yard: Yard) -> None:
    """By a process that the driver does not list until it is too late: nobody of ours."""
    await yard.run(STAYS, GOES)
    stays, _ = await yard.serves("stays/0"), await yard.serves("goes/0")
    yard.driver.set({"gpu0.gi2.held": 1})
    await yard.apply(MIXED)
    change = await yard.over()
    assert (change.phase, change.rolling_back) == (ChangePhase.READY, True)
    assert "stays in use" in said(change.failure)
    assert await yard.there() == HALVES
    await yard.serves("goes/0")
    assert await yard.serves("stays/0") == stays


async def test_f53_a_foreign_process_is_named_and_lives(yard: Yard) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        yard.driver.set({f"gpu0.gi1.compute.{stranger.pid}": 1 << 30})
        with pytest.raises(RequestFailed) as refused:
            await yard.apply(parts("7g.80gb@0"))
        assert refused.value.reason.code == "in_use"
        assert f"(pid {stranger.pid})" in refused.value.reason.text
        assert stranger.returncode is None
        assert await yard.there() == HALVES
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"gpu0.refuse.19": 23}, "no room"),
        ({f"fault.{CREATE}": 4}, "it needs"),
        ({"fault.nvmlGpuInstanceCreateComputeInstance": 23}, "was not made"),
        ({f"fault.{CREATE}": 999}, "was not made"),
    ],
)
async def test_f54_what_cannot_be_made_brings_the_old_layout_back_or_is_stuck(
    yard: Yard, fault: dict[str, object], words: str
) -> None:
    await yard.run(STAYS, GOES)
    stays, _ = await yard.serves("stays/0"), await yard.serves("goes/0")
    yard.driver.set(fault)
    await yard.apply(MIXED)
    change = await yard.over()
    assert words in said(change.failure)
    assert await yard.serves("stays/0") == stays
    if change.phase is ChangePhase.STUCK:
        assert words in said(change.why_stuck)
        await yard.watcher.until(lambda: yard.watcher.troubles, "the node says that it is stuck")
        assert yard.watcher.troubles[0].code == "repartition_stuck"
        await yard.watcher.until(
            lambda: (one := yard.watcher.instances["goes/0"]).reason and one.reason.code == "repartition_stuck",
            "it waits",
        )
        yard.driver.drop(*fault)
        await yard.settle(back=True)
        change = await yard.over()
    assert (change.phase, change.rolling_back) == (ChangePhase.READY, True)
    assert await yard.there() == HALVES
    await yard.serves("goes/0")


async def test_f54_stuck_outlives_the_agent_and_is_settled_by_the_next(yard: Yard) -> None:
    yard.driver.set({"gpu0.refuse.19": 23, "gpu0.refuse.9": 23})
    await yard.armed("mig-stuck:kill")
    await yard.apply(parts("1g.10gb@6"))
    await yard.died()
    assert (await yard.over()).phase is ChangePhase.STUCK
    await yard.watcher.until(lambda: yard.watcher.troubles, "the next agent says that it is stuck")
    yard.driver.set({"gpu0.refuse.19": 0})
    await yard.settle(back=False)
    assert ((await yard.over()).done, await yard.there()) == (True, parts("1g.10gb@6"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"gpu0.mig.activation": 16}, "only by a reset"),
        ({"gpu0.mig.activation": 19}, "somebody has the GPU open"),
        ({"fault.nvmlDeviceSetMigMode": 4}, "it needs"),
        ({"fault.nvmlDeviceSetMigMode": 999}, "MIG was not turned off"),
    ],
)
async def test_f53_a_mode_that_does_not_change_leaves_the_gpu_as_it_was(
    yard: Yard, fault: dict[str, object], words: str
) -> None:
    await yard.run(STAYS, GOES)
    await yard.serves("stays/0")
    yard.driver.set(fault)
    await yard.apply(OFF)
    change = await yard.over()
    assert words in said(change.failure)
    assert (change.phase, change.rolling_back) == (ChangePhase.READY, True)
    assert await yard.there() == HALVES
    await yard.serves("stays/0")
    await yard.serves("goes/0")


async def test_f27_a_driver_that_hangs_in_a_look_is_stuck_and_goes_on_when_asked(yard: Yard) -> None:
    yard.driver.set({f"fault.{CREATE}": "delay 500"})
    await yard.apply(MIXED)
    await yard.until(ChangePhase.CREATING)
    yard.driver.set({"fault.nvmlDeviceGetGpuInstances": "hang"})
    change = await yard.over()
    assert change.phase is ChangePhase.STUCK
    assert "does not answer" in said(change.why_stuck)
    yard.driver.drop("fault.nvmlDeviceGetGpuInstances", f"fault.{CREATE}")
    await yard.settle(back=False)
    assert ((await yard.over()).done, await yard.there()) == (True, MIXED)


async def test_f52_gpus_that_change_their_order_keep_their_layouts(yard: Yard) -> None:
    """Records, holds and slices know a GPU by its UUID alone."""
    await yard.run(STAYS, GOES, COMES)
    await yard.serves("goes/0")
    yard.node.kill()
    yard.driver.add()
    uuids = {f"gpu{at}.uuid": yard.driver.state[f"gpu{1 - at}.uuid"] for at in (0, 1)}
    other = {key: value for key, value in yard.driver.state.items() if key.startswith("gpu0.mig")}
    yard.driver.set(
        uuids | {key.replace("gpu0", "gpu1"): value for key, value in other.items()} | {"gpu0.mig.current": 0}
    )
    partition = yard.driver.directory / "partition"
    partition.write_text(partition.read_text().replace("gpu0.", "gpu1."))
    await yard.watcher.restarted(yard.node)
    await yard.apply(MIXED)
    assert ((await yard.over()).done, await yard.there()) == (True, MIXED)
    await yard.serves("comes/0")
    assert (await yard.record()).gpu_index == 1
