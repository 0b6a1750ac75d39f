"""The last quarter of an hour of one value, a place a second of the node's clock."""

from array import array
from collections.abc import Sequence
from math import isnan, nan

SERIES_POINTS = 900
SLACK_S = 5
"""Two points may fall into one second, and a clock may be slewed; a greater step back is a clock that was set."""


class Ring:
    """The last SERIES_POINTS seconds up to the newest point; NaN is a gap."""

    def __init__(self) -> None:
        self._values = array("f")
        self._next = 0
        self._last = 0
        """The second of the newest point."""

    def add(self, at_unix_s: float, value: float | None) -> None:
        """A point that is newer than all others. Seconds without one become gaps, but for one that jitter left out."""
        point = nan if value is None else value
        second = int(at_unix_s)
        missing = second - self._last - 1 if self._values else 0
        if missing < -SLACK_S:
            self._values, self._next, missing = array("f"), 0, 0
        if missing < 0:
            self._values[self._next - 1] = point
            return
        for _ in range(min(missing, SERIES_POINTS)):
            self._put(point if missing == 1 else nan)
        self._put(point)
        self._last = second

    def fill(self, from_unix_s: float, step_s: float, values: Sequence[float | None]) -> None:
        """The past as the node remembers it: only where nothing is known yet. A long step stands for its seconds."""
        end = int(from_unix_s + step_s * len(values))
        last = self._last if self._values else end - 1
        first = last - SERIES_POINTS + 1
        known = dict(enumerate(self.last(SERIES_POINTS), last - len(self._values) + 1))
        for step, value in enumerate(values):
            if value is not None:
                for second in range(int(from_unix_s + step * step_s), int(from_unix_s + (step + 1) * step_s)):
                    if first <= second <= last and isnan(known.get(second, nan)):
                        known[second] = value
        oldest = min(known, default=last + 1)
        self._values = array("f", [known.get(second, nan) for second in range(oldest, last + 1)])
        self._next, self._last = len(self._values) % SERIES_POINTS, last

    def last(self, count: int) -> list[float]:
        """Up to `count` values, oldest first; they are those of consecutive seconds."""
        if len(self._values) < SERIES_POINTS:
            return list(self._values[-count:])
        ordered = self._values[self._next :] + self._values[: self._next]
        return list(ordered[-count:])

    def _put(self, point: float) -> None:
        if len(self._values) < SERIES_POINTS:
            self._values.append(point)
        else:
            self._values[self._next] = point
        self._next = (self._next + 1) % SERIES_POINTS
