"""How an instance did in the last quarter of an hour: throughput, queue and latency, all on one time axis.

    TTFT p95   ▂▃▇█▇▅▃▂▂▂▂▂      2 s
               ┄┄████▅┄┄┄┄┄┄      SLO p95 500 ms     what is over it is marked
               ████████████      0, 10 s a column

As many seconds a column as it takes to show all of it; several rows high where there is room.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from math import ceil, isnan, nan

from console.changes import known, scope_of
from console.render.changes import marks
from console.render.course import LAST_S, course
from console.render.entries import LABEL, entry
from console.render.fit import Line
from console.render.spark import chart, row_of, scale
from console.render.table import Tone
from console.render.text import latency as seconds
from console.render.text import number
from console.store import Key, Store
from profiles.latency.burn import Objective

STEP_S = 10
_AXIS = 24
_HIGH_FROM, _HIGH = 100, 3
"""Cells of width from which there are so many rows."""

_RATES = (("Tokens/s", "generation_tok_s"), ("Queue", "waiting"))
_LATENCIES = (("TTFT p95", "ttft"), ("ITL p95", "itl"))


def panels(store: Store, key: Key, width: int) -> list[Line]:
    """What the node has not told yet is left out."""
    room = max(10, width - LABEL - _AXIS)
    lines: list[Line] = []
    for label, what in _RATES:
        ring = store.recorded.series.get((key, what))
        values = _mean(ring.last(round(LAST_S)) if ring else [])
        if all(map(isnan, values)):
            lines.append(entry(label, "no points yet", Tone.DIM))
        else:
            lines += _panel(label, values, room, 1, number, 1)
    told = store.recorded.latency.get(key)
    for label, field in _LATENCIES if told is not None else ():
        values = course(told, field, 0.95) if told else []
        if any(not isnan(value) for value in values):
            high = _HIGH if field == "ttft" and width >= _HIGH_FROM else 1
            lines += _panel(label, values, room, high, seconds, 1000, _promised(store, key, field))
    since = store.wall() - LAST_S
    marked = marks(known(store, scope_of(store, key), since_unix_s=since), store.wall(), LAST_S, STEP_S, room)
    return [*lines, marked] if marked else lines


def _panel(label: str, values: Sequence[float], room: int, rows: int, said: Callable[[float], str],
           scaled: int, promised: Objective | None = None) -> list[Line]:  # fmt: skip
    """`promised` is drawn as a line, what is over it in another tone; the scale is of round numbers of 1/`scaled`."""
    a_column = max(1, ceil(LAST_S / STEP_S / room))
    columns = [_peak(values[max(0, end - a_column) : end]) for end in range(len(values), 0, -a_column)][::-1]
    columns = [nan] * (ceil(LAST_S / STEP_S / a_column) - len(columns)) + columns
    target = promised.target_s if promised else None
    top = scale([value * scaled for value in (*columns, target or 0.0)]) / scaled
    missed = [target is not None and value > target for value in columns]
    axis = _axis(top, rows, a_column, said, promised)
    lines: list[Line] = []
    for at, row in enumerate(chart(columns, top, rows, target)):
        runs = groupby(zip(row, missed, strict=True), key=lambda one: one[1])
        spans = [("".join(sign for sign, _ in run), Tone.WARN if over else Tone.PLAIN) for over, run in runs]
        lines.append(((f" {'' if at else label:<{LABEL}}", Tone.DIM), *spans, (f"  {axis[at]}", Tone.DIM)))
    return lines


def _axis(top: float, rows: int, a_column: int, said: Callable[[float], str], promised: Objective | None) -> list[str]:
    """What stands beside each row."""
    each = f"{a_column * STEP_S} s a column"
    slo = f"SLO {promised.name.rpartition('_')[2]} {said(promised.target_s)} ┄" if promised else ""
    if rows == 1:
        return [f"0–{said(top)}, {slo or each}"]
    at = rows - 1 - row_of(promised.target_s, top, rows) if promised else rows
    words = [said(top), *[""] * (rows - 2), f"0, {each}"]
    return [f"{word}  {slo}" if slo and row == at and word else slo if row == at else word
            for row, word in enumerate(words)]  # fmt: skip


def _promised(store: Store, key: Key, field: str) -> Objective | None:
    """The first of its objectives of this latency."""
    owned = store.nodes[key.node].desired.instances.get(key.name)
    return next((one for one in owned.spec.slo.latency if one.field == field), None) if owned else None


def _mean(values: Sequence[float]) -> list[float]:
    """Of each STEP_S seconds, newest last."""
    chunks = [values[max(0, end - STEP_S) : end] for end in range(len(values), 0, -STEP_S)][::-1]
    known = [[value for value in chunk if not isnan(value)] for chunk in chunks]
    return [sum(chunk) / len(chunk) if chunk else nan for chunk in known]


def _peak(values: Sequence[float]) -> float:
    """A queue or a latency that was high for ten seconds is not averaged away."""
    return max((value for value in values if not isnan(value)), default=nan)
