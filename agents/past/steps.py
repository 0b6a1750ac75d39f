"""The lines of the history on disk: ten seconds each, JSON arrays told apart by their first word.

    ["gpuyard-history", 1, BOOT_ID]                   begins a file, and what each start of the agent adds to it
    ["bounds", 0, [0.1, 0.5]]                         bounds of histograms, numbered since the line above
    ["holds", 1, [[[uuid, 250000]], profile, …]]      what an instance holds (profiles.money.spent), numbered alike
    ["step", SLOT, UNIX_S, [host…], {uuid: [gpu…]},
     {name: [[values…], phase, {"ttft": [bounds, sum_s, [counts…]]}, holds]}]

Values stand in the order of profiles.observed.history.FIELDS, the phase left out; a shorter list is of an older
version, its rest unknown.
Counts are those of each bucket alone, without the empty ones at the end.
"""

from itertools import accumulate

import msgspec

from engines.base import Histogram
from profiles.money.spent import Holding
from profiles.observed.history import NAN

FORMAT = 1
STEP_SLOTS = 10
"""Seconds that become one step."""

Values = list[float | None]


class Header(msgspec.Struct, frozen=True, array_like=True, tag="gpuyard-history"):
    format: int
    boot_id: str


class Bounds(msgspec.Struct, frozen=True, array_like=True, tag="bounds"):
    number: int
    bounds_s: tuple[float, ...]


class Holds(msgspec.Struct, frozen=True, array_like=True, tag="holds"):
    number: int
    holding: Holding


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """One histogram of one step."""

    bounds: int
    sum_s: float
    counts: list[float]


class InstanceStep(msgspec.Struct, frozen=True, array_like=True):
    values: Values
    phase: str | None = None
    counted: dict[str, Counted] = {}
    holds: int | None = None
    """The number of its Holding; None where it holds nothing, and in what an older version wrote."""


class Step(msgspec.Struct, frozen=True, array_like=True, tag="step"):
    """`slot` is where it begins on the boot clock, `at_unix_s` what the time of day was then."""

    slot: int
    at_unix_s: float
    host: Values
    gpus: dict[str, Values]
    instances: dict[str, InstanceStep]


Line = Header | Bounds | Holds | Step

encoder = msgspec.json.Encoder()
decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def plain(values: list[float]) -> Values:
    """NaN has no JSON; whole numbers need no point."""
    return [None if value != value else int(value) if value == int(value) else value for value in values]


def values_of(plain: Values, fields: int) -> list[float]:
    known = [NAN if value is None else value for value in plain[:fields]]
    return known + [NAN] * (fields - len(known))


def counted(histogram: Histogram, bounds: int) -> Counted:
    counts = [after - before for before, after in zip((0.0, *histogram.counts), histogram.counts, strict=False)]
    while counts and not counts[-1]:
        counts.pop()
    whole = [int(count) if count == int(count) else count for count in counts]
    return Counted(bounds, round(histogram.sum_s, 6), whole)


def histogram_of(one: Counted, bounds_s: tuple[float, ...]) -> Histogram | None:
    """None where counts and bounds do not fit: a damaged line."""
    missing = len(bounds_s) + 1 - len(one.counts)
    if missing < 0:
        return None
    return Histogram(bounds_s, tuple(accumulate([*one.counts, *([0.0] * missing)])), one.sum_s)
