"""What each instance missed of its objectives in the last minute, five minutes and hour. Pure.

    scrape ──difference──► Misses per objective ──► slots of ten seconds ──► sums over the windows

Counted by instance, not by incarnation: a restart forgives nothing. What came between two scrapes further apart than a
window is in no such window, because nobody knows when it was.
"""

from collections import deque
from collections.abc import Mapping

from engines.base import EngineSample
from profiles.latency import burn
from profiles.latency.burn import WINDOWS_S, Misses
from profiles.latency.objectives import ERRORS, READY, Slo
from profiles.latency.slo import window

SLOT_S = 10.0

Windows = tuple[Misses, ...]
"""One for each of profiles.latency.burn.WINDOWS_S."""


class Sliding:
    """The sum over one window: closed slots and the open one. Counts are whole numbers, so that sums stay exact."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._slots: deque[tuple[float, Misses]] = deque()
        self._open_s = 0.0
        self._open = self._closed = Misses()

    def add(self, at_s: float, misses: Misses) -> None:
        if at_s - self._open_s >= SLOT_S:
            self._slots.append((self._open_s, self._open))
            self._closed += self._open
            self._open_s, self._open = at_s, Misses()
        self._open += misses
        while self._slots and at_s - self._slots[0][0] >= self._window_s:
            _, old = self._slots.popleft()
            self._closed += Misses(-old.total, -old.least, -old.most)

    def total(self) -> Misses:
        return self._closed + self._open


class Burning:
    """Of one instance with its objectives."""

    def __init__(self, slo: Slo) -> None:
        self.slo = slo
        self._sums = {name: tuple(map(Sliding, WINDOWS_S)) for name in slo.allowed()}
        self._last: tuple[int, float, EngineSample] | None = None
        self._has_been_ready = False

    def stands(self, at_s: float, *, ready: bool) -> None:
        """A look at whether it serves; each counts alike, once it has served: a first load is not time away.

        Also lets go of what has grown old.
        """
        self._has_been_ready |= ready
        away = Misses(1, not ready, not ready) if self._has_been_ready else Misses()
        for name in self._sums:
            self._add(name, at_s, 0.0, away if name == READY else Misses())

    def scraped(self, at_s: float, incarnation: int, sample: EngineSample) -> None:
        """The first scrape of an incarnation only marks where it counts from."""
        last, self._last = self._last, (incarnation, at_s, sample)
        if last is None or last[0] != incarnation:
            return
        _, then_s, before = last
        for one in self.slo.latency:
            older, newer = getattr(before, one.field), getattr(sample, one.field)
            if older is not None and newer is not None and (seen := window(older, newer)) is not None:
                self._add(one.name, at_s, at_s - then_s, burn.over(seen, one.target_s))
        if ERRORS in self._sums and (found := _failures(before, sample)) is not None:
            self._add(ERRORS, at_s, at_s - then_s, found)

    def misses(self) -> dict[str, Windows]:
        return {name: tuple(one.total() for one in sums) for name, sums in self._sums.items()}

    def _add(self, name: str, at_s: float, since_s: float, misses: Misses) -> None:
        for window_s, one in zip(WINDOWS_S, self._sums[name], strict=True):
            one.add(at_s, misses if since_s <= window_s else Misses())


class Burnings:
    """Of all instances of a node that promise anything."""

    def __init__(self) -> None:
        self._of: dict[str, Burning] = {}

    def look(self, at_s: float, promised: Mapping[str, Slo], ready: Mapping[str, bool]) -> None:
        """`promised` are those that should run. Other objectives begin anew."""
        kept = {name: one for name, one in self._of.items() if promised.get(name) == one.slo}
        self._of = {name: kept.get(name) or Burning(slo) for name, slo in promised.items() if slo.allowed()}
        for name, one in self._of.items():
            one.stands(at_s, ready=ready.get(name, False))

    def scraped(self, name: str, at_s: float, incarnation: int, sample: EngineSample) -> None:
        if one := self._of.get(name):
            one.scraped(at_s, incarnation, sample)

    def misses(self) -> dict[str, dict[str, Windows]]:
        return {name: one.misses() for name, one in self._of.items()}


def _failures(before: EngineSample, after: EngineSample) -> Misses | None:
    """None where the engine does not count; a counter that went down counted all since it began anew."""
    if after.requests_failed is None or after.requests_finished is None:
        return None
    failed = _since(before.requests_failed, after.requests_failed)
    return Misses(failed + _since(before.requests_finished, after.requests_finished), failed, failed)


def _since(before: float | None, after: float) -> float:
    return after if before is None or after < before else after - before
