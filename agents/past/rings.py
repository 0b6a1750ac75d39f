"""The last quarter of an hour in memory: a slot a second, an array a field, NaN for what nobody read.

A slot is a whole second of the boot clock: it goes on through suspends and knows nothing of time of day.
"""

from array import array
from collections.abc import Iterable, Sequence

from profiles.observed.history import FIELDS, NAN, Name

SLOTS = 900
MAX_SERIES = 1024
"""Instances may come and go by hundreds; the one that has been silent longest makes room."""


class Ring:
    """The fields of one series."""

    def __init__(self, fields: int, slots: int) -> None:
        self.last = -1
        self._slots = slots
        self._columns = [array("d", [NAN]) * slots for _ in range(fields)]

    def add(self, slot: int, values: Sequence[float]) -> None:
        """Slots that were passed over become gaps. A slot that is not newer is left as it is."""
        if slot <= self.last:
            return
        for passed in range(max(self.last + 1, slot - self._slots + 1), slot):
            self._put(passed, [NAN] * len(self._columns))
        self._put(slot, values)
        self.last = slot

    def read(self, field: int, first: int, end: int) -> list[float]:
        """The values of the slots from `first` up to and without `end`."""
        column, oldest = self._columns[field], self.last - self._slots
        return [column[slot % self._slots] if oldest < slot <= self.last else NAN for slot in range(first, end)]

    def _put(self, slot: int, values: Sequence[float]) -> None:
        at = slot % self._slots
        for column, value in zip(self._columns, values, strict=True):
            column[at] = value


class Rings:
    """All series of the node. About 7 KiB a field: 0.5 MiB for eight GPUs, 60 KiB for an instance."""

    def __init__(self, first: int, *, slots: int = SLOTS) -> None:
        self.slots = slots
        self._first = first
        self._rings: dict[Name, Ring] = {}

    def add(self, slot: int, rows: Iterable[tuple[Name, Sequence[float]]]) -> None:
        """One look at everything. Series that have left the rings altogether are forgotten."""
        for name, values in rows:
            if name not in self._rings:
                self._make_room()
                self._rings[name] = Ring(len(FIELDS[name[0]]), self.slots)
            self._rings[name].add(slot, values)
        for name in [name for name, ring in self._rings.items() if ring.last <= slot - self.slots]:
            del self._rings[name]

    def begin(self, slot: int) -> int:
        """The oldest slot that is in the rings at `slot`: none from before they were made."""
        return max(self._first, slot - self.slots + 1)

    def names(self) -> list[Name]:
        return list(self._rings)

    def read(self, name: Name, field: int, first: int, end: int) -> list[float]:
        """As Ring.read; gaps throughout for a series that nobody knows."""
        ring = self._rings.get(name)
        return ring.read(field, first, end) if ring else [NAN] * (end - first)

    def _make_room(self) -> None:
        if len(self._rings) >= MAX_SERIES:
            del self._rings[min(self._rings, key=lambda name: self._rings[name].last)]
