"""Latency quantiles from the cumulative histograms of two scrapes, no more precise than their buckets."""

import math
from collections.abc import Collection, Iterable

import msgspec

from engines.base import Histogram

INTERPOLATED_UP_TO = 1.5
"""A bucket whose bounds are further apart than this factor is shown as it is."""


class Quantile(msgspec.Struct, frozen=True):
    """`low_s == high_s` is one number; otherwise the value is somewhere between. `high_s` may be infinite."""

    low_s: float
    high_s: float


def window(older: Histogram, newer: Histogram) -> Histogram | None:
    """The observations between two scrapes of one engine; None where their bounds differ.

    A count that went down means that the engine started anew: then everything in `newer` was observed
    in the window, and that is the answer. What happened between `older` and the restart is lost.
    """
    if older.bounds_s != newer.bounds_s or len(older.counts) != len(newer.counts):
        return None
    counts = tuple(after - before for before, after in zip(older.counts, newer.counts, strict=True))
    sum_s = newer.sum_s - older.sum_s
    # Deltas of cumulative counts grow with the bound, unless the two scrapes are of different lives.
    if sum_s < 0 or any(low > high for low, high in zip((0.0, *counts), counts, strict=False)):
        return newer
    return Histogram(newer.bounds_s, counts, sum_s)


def merge(histograms: Iterable[Histogram]) -> Histogram | None:
    """Replicas as one service. Where their bounds differ, only those that all of them have are kept, which is exact
    and coarser (`bounds_differ` says so); None where there are no replicas."""
    parts = list(histograms)
    if not parts:
        return None
    common = set(parts[0].bounds_s).intersection(*(part.bounds_s for part in parts[1:]))
    narrowed = [_at(part, common) for part in parts]
    counts = tuple(map(sum, zip(*(part.counts for part in narrowed), strict=True)))
    return Histogram(narrowed[0].bounds_s, counts, sum(part.sum_s for part in parts))


def bounds_differ(histograms: Iterable[Histogram]) -> bool:
    """Whether a merge is coarser than its parts."""
    return len({part.bounds_s for part in histograms}) > 1


def _at(histogram: Histogram, bounds_s: Collection[float]) -> Histogram:
    """Cumulative counts at fewer bounds are the same counts."""
    if len(bounds_s) == len(histogram.bounds_s):
        return histogram
    kept = [at for at, bound in enumerate(histogram.bounds_s) if bound in bounds_s]
    counts = (*(histogram.counts[at] for at in kept), histogram.counts[-1])
    return Histogram(tuple(histogram.bounds_s[at] for at in kept), counts, histogram.sum_s)


def quantile(histogram: Histogram, q: float) -> Quantile | None:
    """The value that a share `q` (0–1) of the observations do not exceed; None without observations."""
    if not histogram.count:
        return None
    rank = _rank(histogram, q)
    index = _containing(histogram, rank)
    low_s, high_s = _bounds(histogram, index)
    if low_s <= 0 or high_s > low_s * INTERPOLATED_UP_TO:
        return Quantile(low_s, high_s)
    before = histogram.counts[index - 1]
    value_s = low_s + (high_s - low_s) * (rank - before) / (histogram.counts[index] - before)
    value_s = min(value_s, high_s)  # rounding must not leave the bucket
    return Quantile(value_s, value_s)


def estimate(histogram: Histogram, q: float) -> float | None:
    """Evenly between the bounds of its bucket, however wide: to see whether it moves, not to be told as it is."""
    if not histogram.count:
        return None
    rank = _rank(histogram, q)
    index = _containing(histogram, rank)
    low_s, high_s = _bounds(histogram, index)
    before = histogram.counts[index - 1] if index else 0.0
    return (
        low_s if math.isinf(high_s) else low_s + (high_s - low_s) * (rank - before) / (histogram.counts[index] - before)
    )


def bucket(histogram: Histogram, q: float) -> Quantile | None:
    """The bounds of the bucket that holds the quantile, however narrow it is."""
    if not histogram.count:
        return None
    return Quantile(*_bounds(histogram, _containing(histogram, _rank(histogram, q))))


def in_bucket(value_s: float, bounds_s: Collection[float]) -> Quantile:
    """What was interpolated between `bounds_s` for its moves, as `quantile` would tell it."""
    low_s = max((bound for bound in bounds_s if bound < value_s), default=0.0)
    high_s = min((bound for bound in bounds_s if bound >= value_s), default=math.inf)
    wide = bool(bounds_s) and (low_s <= 0 or high_s > low_s * INTERPOLATED_UP_TO)
    return Quantile(low_s, high_s) if wide else Quantile(value_s, value_s)


def _rank(histogram: Histogram, q: float) -> float:
    # 1e-9 keeps a product like 0.07 × 100 = 7.000000000000001 from being rounded up.
    return float(min(histogram.count, max(1, math.ceil(q * histogram.count - 1e-9))))


def _containing(histogram: Histogram, rank: float) -> int:
    return next(i for i, count in enumerate(histogram.counts) if count >= rank)


def _bounds(histogram: Histogram, index: int) -> tuple[float, float]:
    high_s = histogram.bounds_s[index] if index < len(histogram.bounds_s) else math.inf
    low_s = histogram.bounds_s[index - 1] if index else min(0.0, high_s)
    return low_s, high_s
