"""The clocks of the agent: host and GPUs once a second, engines every two, all onto the board."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from agents.board import Board
from agents.gpus.reader import Reader
from agents.gpus.source import Frame
from agents.instances.claims import Claimed
from agents.instances.supervisor import Scraped, Supervisor
from agents.processes import tree
from agents.sampling.burning import Burnings
from agents.sampling.host import Host
from agents.sampling.windows import Window
from engines.base import EngineSample
from profiles.desired.model import Wanted
from profiles.observed.status import GpuProcess, GpuReading, Phase

HOST_PERIOD_S = 1.0
SCRAPE_PERIOD_S = 2.0


class Sampler:
    """A scrape that fails or comes late leaves the last reading with its age; it never judges an engine."""

    def __init__(
        self,
        board: Board,
        supervisor: Supervisor,
        *,
        state: Path,
        simulated: Path | None = None,
        scraped: Callable[[str, int, EngineSample], None] = lambda *_: None,
        judged: Callable[[Frame], Sequence[GpuReading]] = lambda frame: frame.gpus,
        gpus_read: Callable[[Sequence[GpuReading]], None] = lambda _: None,
        claimed: Callable[[], Claimed] = dict,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._board = board
        self._supervisor = supervisor
        self._scraped = scraped
        self._judged = judged
        self._gpus_read = gpus_read
        self._claimed = claimed
        self._wall = wall
        self._host = Host()
        self._owners = Owners(supervisor, state)
        self._reader = Reader(self._show, simulated)
        self._windows: dict[tuple[str, int], Window] = {}
        self._asking: set[str] = set()
        self._burnings = Burnings()
        self.has_read = asyncio.Event()
        """The board shows what GPUs there are, or why none."""

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reader.run())
            tasks.create_task(self._look_at_host())
            while True:
                self._scrape_all(tasks)
                self._look_at_objectives()
                await asyncio.sleep(SCRAPE_PERIOD_S)

    def release_gpus(self) -> AbstractAsyncContextManager[None]:
        """Until it is left, no process of ours has a GPU open. Entering raises NotReleased (agents.gpus.reader)."""
        return self._reader.release()

    def look_again_at_gpus(self) -> None:
        self._reader.look_again()

    async def _look_at_host(self) -> None:
        while True:
            self._board.set_host(self._host.read(self._reader.pid))
            await asyncio.sleep(HOST_PERIOD_S)

    def _show(self, frame: Frame) -> None:
        self._board.set_gpu_source(frame.source)
        if frame.cards is not None:
            self._board.set_gpu_cards(frame.cards)
        gpus = [
            msgspec.structs.replace(gpu, processes=tuple(map(self._owners.name, gpu.processes)))
            if gpu.processes else gpu
            for gpu in self._judged(frame)
        ]  # fmt: skip
        if claimed := self._claimed():
            gpus = [msgspec.structs.replace(gpu, claims=tuple(claimed.get(gpu.uuid, ()))) for gpu in gpus]
        self._board.set_gpus(gpus)
        self._gpus_read(gpus)
        self._owners.forget_old()
        self.has_read.set()

    def _look_at_objectives(self) -> None:
        wanted = self._board.desired.instances.values()
        promised = {one.spec.name: one.spec.slo for one in wanted if one.spec.wanted is Wanted.RUNNING}
        ready = {one.name: one.phase in (Phase.READY, Phase.DEGRADED) for one in self._board.status().instances}
        self._burnings.look(time.monotonic(), promised, ready)
        self._supervisor.set_misses(self._burnings.misses())

    def _scrape_all(self, tasks: asyncio.TaskGroup) -> None:
        scraped = self._supervisor.scraped()
        current = {(one.name, one.incarnation) for one in scraped}
        self._windows = {key: window for key, window in self._windows.items() if key in current}
        for one in scraped:
            if one.name not in self._asking:
                self._asking.add(one.name)
                tasks.create_task(self._scrape(one))

    async def _scrape(self, one: Scraped) -> None:
        try:
            sample = await one.sample()
        finally:
            self._asking.discard(one.name)
        if sample is None:
            return
        self._supervisor.scraped_now(one.name, sample)
        self._scraped(one.name, one.incarnation, sample)
        self._burnings.scraped(one.name, time.monotonic(), one.incarnation, sample)
        window = self._windows.setdefault((one.name, one.incarnation), Window(one.engine))
        self._supervisor.set_reading(one.name, window.add(time.monotonic(), self._wall(), sample))


class Owners:
    """Which instance a GPU process belongs to: by its marker, else by descent from an engine or its shim."""

    def __init__(self, supervisor: Supervisor, state: Path) -> None:
        self._supervisor = supervisor
        self._state = str(state)
        self._known: dict[tuple[int, int], str | None] = {}
        self._seen: set[tuple[int, int]] = set()

    def name(self, held: GpuProcess) -> GpuProcess:
        """With its instance; a process that says so itself is believed, as simulated ones do."""
        found = tree.stat(held.pid) if held.instance is None else None
        if found is None:
            return held
        key = (held.pid, found.start_ticks)
        self._seen.add(key)
        if key not in self._known:
            self._known[key] = self._look_up(found)
        return msgspec.structs.replace(held, instance=self._known[key])

    def forget_old(self) -> None:
        self._known = {key: name for key, name in self._known.items() if key in self._seen}
        self._seen.clear()

    def _look_up(self, one: tree.Stat) -> str | None:
        roots = self._supervisor.roots()
        above: tree.Stat | None = one
        while above is not None and above.pid > 1:
            if (marker := tree.marked(above.pid)) is not None:
                return marker[0] if marker[1] == self._state else None
            if name := roots.get(above.pid) or roots.get(above.session):
                return name
            above = tree.stat(above.parent)
        return None
