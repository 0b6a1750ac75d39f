"""From counters to what they count in a second. Pure."""

from collections.abc import Hashable

WRAP = 1 << 32


class Rates:
    """Counters of one device by name. A rate needs two looks."""

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[float, float]] = {}

    def per_s(self, name: Hashable, count: float | None, now_s: float, *, wraps: bool = False) -> float | None:
        """Since the look before. One that went down began anew, or, `wraps`, went through 2³² once."""
        if count is None:
            self._before.pop(name, None)
            return None
        before = self._before.get(name)
        self._before[name] = (now_s, count)
        if before is None or now_s <= before[0]:
            return None
        more = count - before[1]
        if more < 0:
            more = more + WRAP if wraps and before[1] < WRAP else count
        return more / (now_s - before[0])
