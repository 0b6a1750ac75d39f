"""The last quarter of an hour of one value, a point a second."""

from array import array

SERIES_POINTS = 900


class Ring:
    """The last SERIES_POINTS values, oldest first; NaN is a gap."""

    def __init__(self) -> None:
        self._values = array("f")
        self._next = 0

    def add(self, value: float | None) -> None:
        point = float("nan") if value is None else value
        if len(self._values) < SERIES_POINTS:
            self._values.append(point)
        else:
            self._values[self._next] = point
            self._next = (self._next + 1) % SERIES_POINTS

    def last(self, count: int) -> list[float]:
        ordered = self._values[self._next :] + self._values[: self._next]
        return list(ordered[-count:])
