"""Rows of processes: whose they are, what they hold, and which ones nobody will end."""

from console.render.table import Cell, Column, Tone
from console.render.text import UNKNOWN, age, gib, one_line
from profiles.processes import NodeProcess, ProcessKind

PROCESS_COLUMNS = (
    Column("kind", "Kind", 8, priority=1),
    Column("node", "Node", 8, priority=1),
    Column("pid", "PID", 7, right=True, priority=1),
    Column("user", "User", 8, priority=3),
    Column("instance", "Instance", 12, priority=2),
    Column("gpus", "GPU", 5, priority=2),
    Column("memory", "Mem GiB", 7, right=True, priority=2),
    Column("age", "Age", 7, right=True, priority=4),
    Column("container", "Container", 12, priority=7),
    Column("program", "Program", 12, priority=3),
    Column("command", "Command", 16, priority=6, grow=True),
)
_TONES = {ProcessKind.ORPHAN: Tone.BAD, ProcessKind.FOREIGN: Tone.WARN, ProcessKind.OURS: Tone.PLAIN}
_SIGNS = {ProcessKind.ORPHAN: "×", ProcessKind.FOREIGN: "?", ProcessKind.OURS: " "}


def process_cells(node: str, one: NodeProcess) -> tuple[Cell, ...]:
    return (
        Cell(f"{_SIGNS[one.kind]} {one.kind}", one.kind, _TONES[one.kind]),
        Cell(node, node),
        Cell(str(one.pid), float(one.pid)),
        Cell(one.user or UNKNOWN, one.user or None),
        Cell(one.instance or UNKNOWN, one.instance),
        Cell(",".join(map(str, one.gpus)) or UNKNOWN, float(one.gpus[0]) if one.gpus else None),
        Cell(gib(one.memory_mib), one.memory_mib),
        Cell(age(one.age_s), one.age_s, Tone.DIM),
        Cell(one.container or UNKNOWN, one.container or None, Tone.DIM),
        Cell(one_line(one.name) or UNKNOWN, one.name or None),
        Cell(one_line(one.command) or UNKNOWN, tone=Tone.DIM),
    )
