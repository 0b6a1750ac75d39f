"""What this node remembers of its readings.

    board ──1 Hz──► Rings (memory, 1 s × 15 min) ──each 10 s──► Segments (disk, 10 s × a day)
    scrapes ──────► Scrapes (observed since the last step) ────────┘

Order is that of the boot clock, which nobody sets; agents.past.recall puts the time of day on when it is asked.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from agents.board import Board
from agents.events import EventLog
from agents.past.rings import Rings
from agents.past.scrapes import Scrapes
from agents.past.segments import Numbered, Segments
from agents.past.steps import STEP_SLOTS, InstanceStep, Step, counted, plain
from engines.base import EngineSample, Histogram
from profiles.money.spent import Holding, holding
from profiles.observed.history import FIELDS, PHASE_AT, PHASES, HistoryKind, Name, kept, observed
from profiles.observed.status import EventKind, GpuReading

Number = Callable[[Numbered], int]
"""Under which a file knows the bounds of a histogram, or what an instance holds."""


def boottime() -> float:
    """Seconds since boot, suspends included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class History:
    """Raises OSError when its directory cannot be made."""

    def __init__(
        self,
        directory: Path,
        board: Board,
        events: EventLog,
        *,
        clock: Callable[[], float] = boottime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.boot_id = board.status().boot_id
        self.slot = int(clock())
        """The second of the last look."""
        self.rings = Rings(self.slot)
        self.segments = Segments(
            directory, self.boot_id, lambda text, code: events.append(EventKind.AGENT, text, code=code)
        )
        self.asking = asyncio.Lock()
        """A long answer takes most of a second of CPU: one is made at a time, whoever asks."""
        self._board = board
        self._clock = clock
        self._wall = wall
        self._scrapes = Scrapes()

    async def run(self) -> None:
        """Until cancelled: a look each second, in the middle of its slot, however long the last one took."""
        while True:
            await asyncio.sleep(1.0 - (self._clock() - 0.5) % 1.0)
            self.look()

    def look(self) -> None:
        """Remember what the board shows now."""
        slot = int(self._clock())
        if slot <= self.slot:
            return
        if slot // STEP_SLOTS != self.slot // STEP_SLOTS:
            self._write_step(self.slot // STEP_SLOTS * STEP_SLOTS)
        self.rings.add(slot, observed(self._board.status()))
        self.slot = slot

    def scraped(self, name: str, incarnation: int, sample: EngineSample) -> None:
        """The histograms of an engine, as it counts them."""
        self._scrapes.add(name, incarnation, sample)

    def gpus(self) -> tuple[GpuReading, ...]:
        """Those that there are now."""
        return self._board.status().gpus

    def unix_s(self, slot: int) -> float:
        """What a clock that was always right as now would have shown at the beginning of `slot`."""
        return self._wall() - (self._clock() - slot)

    def _write_step(self, slot: int) -> None:
        """The ten slots from `slot` on. What nobody read in all of them is left out."""
        rows = {name: self._kept(name, slot) for name in self.rings.names()}
        rows = {name: values for name, values in rows.items() if any(value == value for value in values)}
        seen = self._scrapes.take()
        held = self._held()

        def make(number: Number) -> Step:
            gpus, instances = {}, {}
            for (kind, name), values in rows.items():
                if kind is HistoryKind.GPU:
                    gpus[name] = plain(values)
                elif kind is HistoryKind.INSTANCE:
                    instances[name] = _instance(values, seen.get(name, {}), held.get(name), number)
            host = plain(rows.get((HistoryKind.HOST, ""), []))
            return Step(slot, round(self.unix_s(slot), 3), host, gpus, instances)

        self.segments.append(make)

    def _held(self) -> dict[str, Holding]:
        """What instances are given now, by whoever they are of."""
        status = self._board.status()
        memory_mib = {gpu.uuid: gpu.memory_total_mib for gpu in status.gpus}
        owned = self._board.desired.instances
        return {
            one.name: Holding(holding(one.slices, memory_mib), one.profile,
                              owned[one.name].owner if one.name in owned else "", one.model, one.engine)
            for one in status.instances if one.slices
        }  # fmt: skip

    def _kept(self, name: Name, slot: int) -> list[float]:
        hows = FIELDS[name[0]].values()
        return [kept(how, self.rings.read(name, at, slot, slot + STEP_SLOTS)) for at, how in enumerate(hows)]


def _instance(values: list[float], seen: dict[str, Histogram], held: Holding | None, number: Number) -> InstanceStep:
    figures, code = [*values[:PHASE_AT], *values[PHASE_AT + 1 :]], values[PHASE_AT]
    phase = None if code != code else str(PHASES[int(code)])
    return InstanceStep(
        plain(figures),
        phase,
        {field: counted(one, number(one.bounds_s)) for field, one in seen.items()},
        None if held is None else number(held),
    )
