"""Rows of processes, and of users: whose they are, what they hold, and which ones nobody will end."""

from collections.abc import Sequence

from console.render.figures import gib_cell, hundred, total
from console.render.fit import Line
from console.render.table import Cell, Column, Row, Tone
from console.render.text import UNKNOWN, age, gib, number, one_line, plural
from console.store import Key, NodeState, NodeView, Store
from profiles.observed.processes import NodeProcess, ProcessKind, UserShare

PROCESS_COLUMNS = (
    Column("kind", "Kind", 9, priority=1),
    Column("node", "Node", 8, priority=1, names=True),
    Column("gpus", "GPU", 4, priority=2, names=True),
    Column("pid", "PID", 7, right=True, priority=1, names=True),
    Column("user", "User", 8, priority=2),
    Column("instance", "Instance", 12, priority=3),
    Column("busy", "SM %", 4, right=True, priority=3, also=("util",)),
    Column("memory", "Mem GiB", 7, right=True, priority=2),
    Column("age", "Age", 6, right=True, priority=4, is_time=True, ages=True),
    Column("container", "Container", 12, priority=8),
    Column("program", "Program", 12, priority=5),
    Column("command", "Command", 16, priority=7, grow=True),
)
USER_COLUMNS = (
    Column("user", "User", 10, priority=1, names=True),
    Column("memory", "Mem GiB", 8, right=True, priority=1),
    Column("busy", "SM, GPUs", 8, right=True, priority=2),
    Column("gpus", "GPUs", 5, right=True, priority=1),
    Column("processes", "Processes", 9, right=True, priority=2),
    Column("foreign", "Foreign", 7, right=True, priority=3),
    Column("orphans", "Orphans", 7, right=True, priority=3),
    Column("oldest", "Oldest", 7, right=True, priority=4, is_time=True),
    Column("nodes", "Nodes", 12, priority=5, grow=True),
)
TONES = {ProcessKind.ORPHAN: Tone.BAD, ProcessKind.FOREIGN: Tone.WARN, ProcessKind.OURS: Tone.PLAIN}
_ORDER = {ProcessKind.ORPHAN: 0.0, ProcessKind.FOREIGN: 1.0, ProcessKind.OURS: 2.0}
SIGNS = {ProcessKind.ORPHAN: "×", ProcessKind.FOREIGN: "▒", ProcessKind.OURS: " "}


def process_row(store: Store, key: Key) -> Row | None:
    view = store.nodes.get(key.node)
    one = view.processes.get(key.name) if view else None
    if view is None or one is None:
        return None
    return Row(key, process_cells(view.name, one, age_s(store, view, one)), dim=view.state is not NodeState.UP)


def process_cells(node: str, one: NodeProcess, age_now_s: float | None) -> tuple[Cell, ...]:
    return (
        Cell(f"{SIGNS[one.kind]} {one.kind}", _ORDER[one.kind], TONES[one.kind]),
        Cell(node, node),
        Cell(",".join(map(str, one.gpus)) or UNKNOWN, float(one.gpus[0]) if one.gpus else None),
        Cell(str(one.pid), float(one.pid)),
        Cell(one.user or UNKNOWN, one.user or None),
        Cell(one.instance or UNKNOWN, one.instance),
        Cell(number(hundred(one.busy_ratio)), hundred(one.busy_ratio)),
        gib_cell(one.memory_mib),
        Cell(age(age_now_s), age_now_s, Tone.DIM),
        Cell(one.container or UNKNOWN, one.container or None, Tone.DIM),
        Cell(one_line(one.name) or UNKNOWN, one.name or None),
        Cell(one_line(short(one.command)) or UNKNOWN, tone=Tone.DIM),
    )


def short(command: str) -> str:
    """Without the directories of its program: `python -m vllm …`."""
    program, blank, rest = command.partition(" ")
    return f"{program.rpartition('/')[2]}{blank}{rest}"


def age_s(store: Store, view: NodeView, one: NodeProcess) -> float | None:
    """How old it is now, not when it was listed."""
    if one.age_s is None or view.listed_at_s is None:
        return one.age_s
    return one.age_s + store.clock() - view.listed_at_s


def summary(store: Store, shown: Sequence[NodeProcess]) -> Line:
    """How many, what they hold, and what of it somebody should look at; nodes that do not list theirs."""
    nodes = [view for view in store.nodes.values() if view.counted]
    held = gib(total(one.memory_mib for one in shown))
    spans = [(f" {len(shown):,} process{'' if len(shown) == 1 else 'es'}   {held} GiB of GPU memory", Tone.DIM)]
    for kind in (ProcessKind.FOREIGN, ProcessKind.ORPHAN):
        if of_kind := [one for one in shown if one.kind is kind]:
            size = gib(total(one.memory_mib for one in of_kind))
            spans.append((f"   {SIGNS[kind]} {len(of_kind):,} {kind} {size} GiB", TONES[kind]))
    if unlisted := [view for view in nodes if view.unlisted is not None]:
        first = unlisted[0]
        why = first.unlisted.text if first.unlisted else ""
        spans.append((f"   not listed: {plural(len(unlisted), 'node')} ({first.name}: {why})", Tone.WARN))
    return tuple(spans)


def user_cells(share: UserShare) -> tuple[Cell, ...]:
    return (
        Cell(share.user or UNKNOWN, share.user or None),
        gib_cell(share.memory_mib),
        Cell(UNKNOWN if share.busy is None else f"{share.busy:.1f}", share.busy),
        Cell(number(share.gpus), share.gpus),
        Cell(number(share.processes), share.processes),
        _count(share.foreign, Tone.WARN),
        _count(share.orphans, Tone.BAD),
        Cell(age(share.oldest_s), share.oldest_s, Tone.DIM),
        Cell(", ".join(share.nodes), tone=Tone.DIM),
    )


def _count(count: int, tone: Tone) -> Cell:
    return Cell(number(count), float(count), tone if count else Tone.DIM)
