"""Series on a fixed scale: one that stretches to its own extremes would make noise look like news."""

from collections.abc import Sequence
from math import isnan

LEVELS = "▁▂▃▄▅▆▇█"


def level(ratio: float) -> str:
    """One sign for 0–1."""
    return LEVELS[min(len(LEVELS) - 1, max(0, int(ratio * len(LEVELS))))]


def spark(values: Sequence[float], width: int, top: float) -> str:
    """The last `width` values of a series scaled to 0–`top`; a gap is blank."""
    shown = values[-width:]
    signs = "".join(" " if isnan(value) else level(value / top if top else 0.0) for value in shown)
    return signs.rjust(width)


def scale(values: Sequence[float]) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that holds all `values`: steps, so that the picture seldom jumps."""
    peak = max((value for value in values if not isnan(value)), default=0.0)
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if peak <= factor * step:
                return factor * step
        step *= 10


def chart(values: Sequence[float], top: float, rows: int, line: float | None = None) -> list[str]:
    """A series on a scale of 0–`top`, several rows high, top row first; `line` is drawn where nothing covers it.

    Zero is a sign in the lowest row, a gap is none.
    """
    step = top / rows
    lined = None if line is None else row_of(line, top, rows)
    found = []
    for row in reversed(range(rows)):
        drawn = (not isnan(value) and (row == 0 or value > row * step) for value in values)
        signs = (level(value / step - row) if is_there else "┄" if row == lined else " "
                 for value, is_there in zip(values, drawn, strict=True))  # fmt: skip
        found.append("".join(signs))
    return found


def row_of(value: float, top: float, rows: int) -> int:
    """In which row of a chart a value ends, from below."""
    return min(rows - 1, int(value / top * rows))
