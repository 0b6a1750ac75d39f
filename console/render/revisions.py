"""Changes of a node's desired document, and what an undo would take back, as text."""

from collections.abc import Iterator

from console.render.table import Cell, Column, Tone
from console.render.text import UNKNOWN, age, clock, one_line
from console.undo import Undo
from profiles.merged import ProfileRevision
from profiles.revision import Revision

REVISION_COLUMNS = (
    Column("node", "Node", 8, priority=2),
    Column("generation", "Gen", 4, right=True, priority=1),
    Column("at", "Time", 8, priority=1),
    Column("author", "By", 6, priority=1),
    Column("what", "Changed", 20, priority=1, grow=True),
    Column("reason", "Reason", 12, priority=3),
    Column("instances", "Inst", 4, right=True, priority=4),
)


PROFILE_REVISION_COLUMNS = (
    Column("revision", "Rev", 5, priority=1, names=True),
    Column("stands", "Stands", 6, priority=1),
    Column("at", "Time", 8, priority=1),
    Column("author", "By", 6, priority=1),
    Column("tags", "Tags", 6, priority=1),
    Column("what", "Changed", 20, priority=1, grow=True),
    Column("nodes", "Nodes", 12, priority=2),
    Column("reason", "Reason", 12, priority=3),
)


def profile_revision_cells(one: ProfileRevision) -> list[Cell]:
    """`stands` says on how many of the nodes that keep it; one that is not everywhere is a warning."""
    stands, kept = len(one.stands_on), len(one.on)
    partly = 0 < stands < kept + len(one.lacking)
    return [
        Cell(f"r{one.number}{' ?' if one.disagrees else ''}", one.number, Tone.BAD if one.disagrees else Tone.PLAIN),
        Cell(f"! {stands}/{kept + len(one.lacking)}" if partly else "● yes" if stands else "", stands,
             Tone.WARN if partly else Tone.GOOD),
        Cell(UNKNOWN if one.at_unix_s is None else clock(one.at_unix_s), one.at_unix_s),
        Cell(one.author or UNKNOWN, one.author),
        Cell(", ".join(one.tags), ", ".join(one.tags), Tone.KEY),
        Cell(one_line(one.what) or "the same as before", one.what),
        nodes_cell(one),
        Cell(one_line(one.reason) or UNKNOWN, one.reason, Tone.DIM),
    ]  # fmt: skip


def nodes_cell(one: ProfileRevision) -> Cell:
    """Who keeps it, and who should and does not."""
    text = ", ".join(one.on)
    return Cell(f"{text}, not {', '.join(one.lacking)}", text, Tone.WARN) if one.lacking else Cell(text, text, Tone.DIM)


def revision_cells(node: str, head: Revision, clock_skew_s: float) -> list[Cell]:
    """The time is that of this console's clock."""
    made = head.author or head.generation
    return [
        Cell(node, node),
        Cell(str(head.generation), head.generation),
        Cell(UNKNOWN if head.at_unix_s is None else clock(head.at_unix_s - clock_skew_s), head.at_unix_s),
        Cell(head.author or UNKNOWN, head.author),
        Cell(one_line(head.what) if made else "the node as it was found", head.what),
        Cell(one_line(head.reason) or UNKNOWN, head.reason, Tone.DIM),
        Cell(str(head.instances), head.instances, Tone.DIM),
    ]


def undone_lines(undo: Undo, now_unix_s: float) -> Iterator[str]:
    """A line for each change that is taken back: who made it, how long ago, what it did."""
    for head in undo.undone:
        ago = "" if head.at_unix_s is None else f", {age(now_unix_s + undo.clock_skew_s - head.at_unix_s)} ago"
        why = f" ({head.reason})" if head.reason else ""
        yield one_line(f"Undoes generation {head.generation} by {head.author or 'nobody'}{ago}{why}: {head.what}")
