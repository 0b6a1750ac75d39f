"""A supervisor with engines on MIG devices of the fake driver, and everything that divides its GPU: all but a socket.

Looks and calls are made by real children, as in a daemon; the fake driver hears of the engines by their environment.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agents.fractions.changes import Changes, Workshop
from agents.fractions.fractions import Fractions
from agents.fractions.journal import Journal
from agents.fractions.layouts import Layouts
from agents.fractions.mig import Mig
from agents.fractions.migwork import Pace
from agents.gpus.surveyor import Surveyor
from agents.privilege.child import RootChild
from engines.devices import MigSlot, ShareMode, Slice
from profiles.desired.model import InstanceSpec
from profiles.gpu.repartition import GpuChange, GpuRecord
from profiles.observed.mig import MigLayout, layout
from profiles.observed.status import GpuReading, InstanceStatus, Phase, Reason
from tests.fakes.nvml.driver import H100_PROFILES, FakeDriver
from tests.fakes.nvml.occupied import occupied
from tests.fakes.supervised import Agent, spec

GPU = "GPU-00000000-0000-4000-8000-000000000000"
QUICK = Pace(
    look_s=0.05, drain_limit_s=20.0, stop_limit_s=10.0, quiet_apart_s=0.05, quiet_limit_s=0.5, busy_first_s=0.05,
    busy_most_s=0.2, busy_limit_s=0.6, retry_s=0.2,
)  # fmt: skip
LIMIT_S = 40.0
OFF = MigLayout(mode=False)


def slot(profile: str, start: int) -> MigSlot:
    places = next(words.split()[5] for words in H100_PROFILES.values() if words.endswith(f"MIG {profile}"))
    return MigSlot(profile=profile, start=start, size=int(places.partition(",")[0].partition(":")[2]))


def parts(text: str) -> MigLayout:
    """`3g.40gb@0 1g.10gb@4`"""
    words = (word.split("@") for word in text.split())
    return layout(slot(profile, int(start)) for profile, start in words)


class Divided(Agent):
    """`boot_id` is that of the machine; another one is a reboot."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.boot_id = "boot-1"
        self.pace = QUICK
        self.root_limit_s = 10.0
        self.released = 0
        self.on_record: list[str] = []

    def start(self) -> None:
        self.surveyor = Surveyor(limit_s=self.root_limit_s)
        self.fractions = Fractions({ShareMode.MIG: Mig(self.surveyor, lambda: self.board.status().gpus)})
        super().start()

    def beside(self) -> Sequence[Coroutine[None, None, None]]:
        self.board.set_gpus([GpuReading(uuid=GPU, index=0, name="NVIDIA H100 80GB HBM3", memory_total_mib=81559)])
        surveyor = self.surveyor
        privileged = RootChild(self._begun, limit_s=self.root_limit_s)
        shop = Workshop(
            board=self.board, events=self.events, surveyor=surveyor, privileged=privileged,
            tenants=self.supervisor.tenants, holds=self.holds, release=self._release, boot_id=self.boot_id,
            pace=self.pace,
        )  # fmt: skip
        self.changes = Changes(Journal(self.layout.fractions, self.events, self.board.now), shop)
        self.layouts = Layouts(self.changes, shop)
        return (self.changes.run(),)

    def _begun(self, what: str, author: str) -> Callable[[str, str], None]:
        self.on_record.append(f"{author}: {what}")
        return lambda result, text: None

    @asynccontextmanager
    async def _release(self) -> AsyncIterator[None]:
        self.released += 1
        yield

    @property
    def record(self) -> GpuRecord | None:
        return next(iter(self.layouts.records), None)

    @property
    def change(self) -> GpuChange:
        assert self.record
        assert self.record.change
        return self.record.change

    async def there(self) -> MigLayout:
        return (await Surveyor().look(GPU)).layout()

    async def divide(self, text: str, *, drain: bool = False) -> GpuChange:
        """Apply a layout and wait until that is over, one way or the other."""
        wanted = OFF if text == "off" else parts(text)
        await self.layouts.apply(GPU, await self.there(), wanted, drain=drain, author="ann", reason="test")
        return await self.over()

    async def over(self) -> GpuChange:
        try:
            async with asyncio.timeout(LIMIT_S):
                while self.record is None or self.changes.is_busy(GPU):
                    assert self.task is not None
                    if self.task.done():
                        await self.task
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never over: {self.record}") from None
        return self.change

    async def until_change(self, test: Callable[[GpuChange], bool]) -> GpuChange:
        async with asyncio.timeout(LIMIT_S):
            while not (self.record and self.record.change and test(self.record.change)):
                await asyncio.sleep(0.01)
        return self.change

    async def serve(self, *places: tuple[str, str]) -> None:
        """Engines by name, each on a place: `("a/0", "3g.40gb@0")`, or `""` for the whole GPU."""
        self.set(*(on(name, place) for name, place in places))
        for name, _ in places:
            await self.until_phase(Phase.READY, name)

    def pid(self, name: str) -> int:
        status = self.status(name)
        assert status is not None
        assert status.pid is not None
        return status.pid

    def device(self, name: str) -> str:
        """What its engine was given."""
        entries = Path(f"/proc/{self.pid(name)}/environ").read_bytes().split(b"\0")
        return next(one for one in entries if one.startswith(b"CUDA_VISIBLE_DEVICES=")).partition(b"=")[2].decode()


def on(name: str, place: str, *flags: str) -> InstanceSpec:
    mig = parts(place).slots[0] if place else None
    return spec(name, *flags, slices=(Slice(gpu_uuid=GPU, gpu_index=0, mig=mig),))


@asynccontextmanager
async def dividing(directory: Path, driver: FakeDriver) -> AsyncIterator[Divided]:
    """MIG is on, and nothing is there yet."""
    driver.set({"gpu0.mig.current": 1})
    agent = Divided(directory)
    async with occupied(driver, agent.layout.state):
        agent.start()
        try:
            yield agent
        finally:
            if agent.task and not agent.task.done():
                await agent.kill()
            for pid in agent.mine():
                os.kill(pid, 9)


def said(reason: Reason | None) -> str:
    return reason.text if reason else ""


def code(status: InstanceStatus) -> str:
    return status.reason.code if status.reason else ""
