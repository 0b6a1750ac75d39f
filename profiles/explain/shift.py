"""Where a track changes for good: the one step after which it is most unlike before.

The split with the greatest distance of means over their spread is taken, then the begin of the rise is looked for
backwards, as windows and queues answer late. Noise of a steady track makes no shift.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import sqrt

import msgspec

from profiles.explain.evidence import Track

LEAST_BEFORE = 8
LEAST_AFTER = 3
ENDS = 10
DISTANCE = 6.0
"""Of the means, in standard errors: a steady noisy track has one of 4 somewhere in 900 steps."""


class Shift(msgspec.Struct, frozen=True):
    """From `step` on; `before` and `after` are means."""

    step: int
    before: float
    after: float

    @property
    def up(self) -> bool:
        return self.after > self.before


def shift(track: Track, least: float, ratio: float = 0.0) -> Shift | None:
    """None unless the means differ by `least`, and by `ratio` of the former."""
    known = [(step, value) for step, value in enumerate(track) if value is not None]
    if len(known) < LEAST_BEFORE + LEAST_AFTER:
        return None
    values = [value for _, value in known]
    best = _best_split(values)
    if best is None:
        return None
    before, after = _mean(values[:best]), _mean(values[best:])
    if abs(after - before) < max(least, ratio * abs(before)):
        return None
    return Shift(known[_begin(values, best, before, after)][0], round(before, 6), round(after, 6))


def ends(track: Track) -> tuple[float, float] | None:
    """Means of its first values and of its last, for what did not move."""
    known = [value for value in track if value is not None]
    return (_mean(known[:ENDS]), _mean(known[-ENDS:])) if known else None


def _best_split(values: Sequence[float]) -> int | None:
    """The index of the first value after it."""
    sums = [0.0, *accumulate(values)]
    squares = [0.0, *accumulate(value * value for value in values)]
    found, greatest = None, DISTANCE
    for at in range(LEAST_BEFORE, len(values) - LEAST_AFTER + 1):
        left, right = at, len(values) - at
        means = sums[at] / left, (sums[-1] - sums[at]) / right
        within = squares[-1] - left * means[0] ** 2 - right * means[1] ** 2
        error = sqrt(max(within, 0.0) / (len(values) - 2) * (1 / left + 1 / right))
        distance = abs(means[1] - means[0]) / max(error, 1e-9)
        if distance > greatest:
            found, greatest = at, distance
    return found


def _begin(values: Sequence[float], split: int, before: float, after: float) -> int:
    """The first of the values in a row up to `split` that already went a fifth of the way."""
    begin = split
    while begin > LEAST_BEFORE and (values[begin - 1] - before) / (after - before) > 0.2:
        begin -= 1
    return begin


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
