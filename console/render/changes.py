"""A time line as rows: when, where, what kind, of whom, what, by whom; and as marks under a chart."""

from collections.abc import Sequence
from math import ceil

from console.render.entries import LABEL
from console.render.figures import moment
from console.render.fit import Line
from console.render.table import Cell, Column, Row, Tone
from console.render.text import one_line
from console.store import Key, Kind, Store
from profiles.explain.timeline import Change, ChangeKind
from profiles.observed.finding import Severity

CHANGE_COLUMNS = (
    Column("at", "Time", 8, priority=1),
    Column("node", "Node", 8, priority=1),
    Column("kind", "Kind", 8, priority=2),
    Column("about", "About", 10, priority=3),
    Column("text", "What", 20, priority=1, grow=True),
    Column("author", "By", 6, priority=2),
)
TONES = {Severity.PROBLEM: Tone.BAD, Severity.WARNING: Tone.WARN}
SIGNS = {Severity.PROBLEM: "!", Severity.WARNING: "▲"}
"""Under a chart; what is no trouble is `╵`."""
UNMARKED = frozenset({ChangeKind.AGENT})


def change_row(store: Store, change: Change, at: int) -> Row:
    """`at` is its place in the time line: two may be of one moment."""
    return Row(Key(Kind.CHANGE, change.node, str(at)), tuple(change_cells(store, change, at)))


def change_cells(store: Store, change: Change, at: int) -> list[Cell]:
    when = moment(change.at_unix_s, store.wall())
    tone = TONES.get(change.severity, Tone.PLAIN)
    return [
        Cell(when, -change.at_unix_s - at * 1e-6),
        Cell(change.node, change.node),
        Cell(change.kind, change.kind, Tone.DIM),
        Cell(about(store, change), about(store, change)),
        Cell(one_line(change.text), change.text, tone),
        Cell(change.author, change.author, Tone.DIM),
    ]


def about(store: Store, change: Change) -> str:
    """The instance, the GPU by its index, or how many instances an edit changed."""
    if change.instance or not (change.gpu or change.touches):
        return change.instance
    if change.gpu:
        gpu = store.nodes[change.node].gpus.get(change.gpu) if change.node in store.nodes else None
        return f"gpu{gpu.index}" if gpu else "a GPU"
    more = len(change.touches) - 1
    return change.touches[0] + (f" +{more}" if more else "")


def marks(changes: Sequence[Change], now_unix_s: float, last_s: float, step_s: float, room: int) -> Line:
    """On the axis of a chart of `last_s` in columns of so many `step_s` that it fits `room`; () without any."""
    a_column_s = max(1, ceil(last_s / step_s / room)) * step_s
    columns = ceil(last_s / a_column_s)
    worst: dict[int, Severity] = {}
    for change in changes:
        at = columns - 1 - int((now_unix_s - change.at_unix_s) // a_column_s)
        if 0 <= at < columns and change.kind not in UNMARKED:
            worst[at] = max(worst.get(at, Severity.OK), change.severity, key=list(Severity).index)
    if not worst:
        return ()
    spans = [
        (SIGNS.get(worst[at], "╵"), TONES.get(worst[at], Tone.PLAIN)) if at in worst else (" ", Tone.PLAIN)
        for at in range(columns)
    ]
    return ((f" {'Changes':<{LABEL}}", Tone.DIM), *spans, (f"  {len(changes)}, c lists them", Tone.DIM))
