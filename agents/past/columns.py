"""Points of any density into steps of one length, for one answer. Pure.

Points come from memory and from disk, in any order: each falls into its step by its time.
"""

from collections.abc import Sequence

from engines.base import Histogram
from profiles.latency.slo import merge
from profiles.observed.history import (
    DIGITS,
    FIELDS,
    HISTOGRAMS,
    PHASE,
    PHASES,
    HistogramSeries,
    HistorySeries,
    How,
    Name,
)
from profiles.observed.status import Phase


class Grid:
    """`steps` steps of `step_s` from `from_unix_s`."""

    def __init__(self, from_unix_s: float, step_s: float, steps: int) -> None:
        self.from_unix_s = from_unix_s
        self.step_s = step_s
        self.steps = steps

    @property
    def to_unix_s(self) -> float:
        return self.from_unix_s + self.steps * self.step_s

    def step(self, at_unix_s: float) -> int | None:
        """The step that a time falls into; None outside."""
        at = int((at_unix_s - self.from_unix_s) // self.step_s)
        return at if 0 <= at < self.steps else None


class Column:
    """One field of one series."""

    def __init__(self, how: How, steps: int) -> None:
        self._how = how
        self._values: list[float | None] = [None] * steps
        self._weights: list[float] = [0.0] * steps
        """Of a mean, how many were added; else when the newest was read."""

    def add(self, step: int, at_unix_s: float, value: float) -> None:
        """NaN is left out."""
        if value != value:
            return
        before = self._values[step]
        match self._how:
            case How.MEAN:
                self._values[step] = value if before is None else before + value
                self._weights[step] += 1
            case How.MAX:
                self._values[step] = value if before is None else max(before, value)
            case How.LAST:
                if before is None or at_unix_s >= self._weights[step]:
                    self._values[step], self._weights[step] = value, at_unix_s

    def result(self) -> tuple[float | None, ...]:
        if self._how is not How.MEAN:
            return tuple(self._values)
        pairs = zip(self._values, self._weights, strict=True)
        return tuple(None if total is None else round(total / count, DIGITS) for total, count in pairs)


class Series:
    """All that is asked of one series."""

    def __init__(self, name: Name, fields: Sequence[str], grid: Grid) -> None:
        self._name = name
        self._grid = grid
        known = FIELDS[name[0]]
        self._places = [
            (at, Column(how, grid.steps)) for at, (field, how) in enumerate(known.items()) if field in fields
        ]
        self._histograms: dict[str, list[Histogram | None]] = {
            field: [None] * grid.steps for field in HISTOGRAMS if field in fields
        }

    def add(self, at_unix_s: float, values: Sequence[float]) -> None:
        """One reading, in the order of FIELDS."""
        step = self._grid.step(at_unix_s)
        if step is not None:
            for place, column in self._places:
                column.add(step, at_unix_s, values[place])

    def add_histogram(self, at_unix_s: float, field: str, histogram: Histogram) -> None:
        """Newest first: those with other bounds than the newest cannot be added to it, and are left out."""
        step = self._grid.step(at_unix_s)
        column = self._histograms.get(field)
        if step is not None and column is not None:
            before = column[step]
            column[step] = histogram if before is None else merge((before, histogram)) or before

    def result(self) -> HistorySeries:
        kind, name = self._name
        fields = list(FIELDS[kind])
        values = {fields[at]: column.result() for at, column in self._places}
        codes = values.pop(PHASE, ())
        return HistorySeries(
            name=name,
            values=values,
            phases=tuple(None if code is None else _phase(code) for code in codes),
            histograms={field: _columnar(column) for field, column in self._histograms.items()},
        )


def _phase(code: float) -> Phase:
    return PHASES[int(code)]


def _columnar(column: Sequence[Histogram | None]) -> HistogramSeries:
    bounds_s = next((one.bounds_s for one in reversed(column) if one is not None), ())
    kept = [one if one is not None and one.bounds_s == bounds_s else None for one in column]
    return HistogramSeries(
        bounds_s=bounds_s,
        counts=tuple(None if one is None else one.counts for one in kept),
        sum_s=tuple(0.0 if one is None else one.sum_s for one in kept),
    )
