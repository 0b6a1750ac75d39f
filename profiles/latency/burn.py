"""How fast a service uses up what its objectives allow it to miss. Pure.

    what was observed ──over(target)──► Misses ──add replicas, steps──► burn = share missed ÷ share allowed

1× uses exactly what is allowed; 20× for an hour is most of a day's. A target that lies inside a bucket leaves open on
which side the bucket's observations were: then the burn is a range, and no side of it is made up.
"""

from collections.abc import Iterable, Sequence

import msgspec

from engines.base import Histogram

WINDOWS_S = (60.0, 300.0, 3600.0)


class Objective(msgspec.Struct, frozen=True):
    """`ttft_p95: 800ms`: at most `allowed_ratio` 0.05 of what `field` observes is over `target_s`."""

    name: str
    field: str
    target_s: float
    allowed_ratio: float


class Misses(msgspec.Struct, frozen=True, array_like=True):
    """Of `total` observations, at least `least` and at most `most` missed the target."""

    total: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def __add__(self, other: "Misses") -> "Misses":
        return Misses(self.total + other.total, self.least + other.least, self.most + other.most)


class Burn(msgspec.Struct, frozen=True):
    """Times what is allowed. `low == high` is one number."""

    low: float
    high: float


def over(histogram: Histogram, target_s: float) -> Misses:
    """A bound that is the target itself leaves nothing open."""
    total = histogram.count
    below = [count for bound, count in zip(histogram.bounds_s, histogram.counts, strict=False) if bound <= target_s]
    within = [count for bound, count in zip(histogram.bounds_s, histogram.counts, strict=False) if bound >= target_s]
    return Misses(total, total - (within[0] if within else total), total - (below[-1] if below else 0.0))


def add(misses: Iterable[Misses]) -> Misses:
    return sum(misses, Misses())


def burn(misses: Misses, allowed_ratio: float) -> Burn | None:
    """None without observations: no traffic burns nothing and proves nothing."""
    if misses.total <= 0:
        return None
    return Burn(misses.least / misses.total / allowed_ratio, misses.most / misses.total / allowed_ratio)


def worst(burns: Iterable[Burn | None]) -> Burn | None:
    """The one that is at least highest: what is certain comes before what may be."""
    return max((one for one in burns if one is not None), key=lambda one: (one.low, one.high), default=None)


def goodput(requests: float, missed: Sequence[Misses]) -> tuple[float, float]:
    """How many of `requests` met every target: at least, and at most. Misses of one request may be of all targets."""
    shares = [(one.least / one.total, one.most / one.total) for one in missed if one.total > 0]
    surely = max((least for least, _ in shares), default=0.0)
    at_worst = min(1.0, sum(most for _, most in shares))
    return requests * (1 - at_worst), requests * (1 - surely)
