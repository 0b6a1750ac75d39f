"""Where engines run from: a row a runtime of a node."""

from console.render.table import Cell, Column, Tone
from console.render.text import UNKNOWN
from profiles.observed.runtime import RuntimeReading

RUNTIME_COLUMNS = (
    Column("node", "Node", 12, priority=1, names=True),
    Column("name", "Runtime", 16, priority=1, names=True),
    Column("engine", "Engine", 12, priority=1),
    Column("version", "Version", 12, priority=1),
    Column("kind", "Kind", 6, priority=3),
    Column("where", "Where", 24, priority=2, grow=True),
    Column("state", "State", 24, priority=1, grow=True),
)


def runtime_cells(node: str, one: RuntimeReading) -> tuple[Cell, ...]:
    """In the order of RUNTIME_COLUMNS."""
    return (
        Cell(node, node),
        Cell(one.name, one.name),
        Cell(one.engine, one.engine),
        Cell(one.version or UNKNOWN, one.version, Tone.PLAIN if one.version else Tone.DIM),
        Cell("made" if one.made else one.kind, one.kind),
        Cell(one.where, one.where),
        _state(one),
    )


def _state(one: RuntimeReading) -> Cell:
    if one.problem:
        return Cell(one.problem.text, one.problem.text, Tone.BAD)
    return Cell(one.remark, one.remark, Tone.WARN) if one.remark else Cell("ok", "ok")
