"""Changes of a node's desired document, and what an undo would take back, as text."""

from collections.abc import Iterator

from console.render.entries import entry, long_entry
from console.render.figures import moment
from console.render.fit import Line, cut
from console.render.table import Cell, Column, Tone
from console.render.text import UNKNOWN, age, clock, one_line
from console.revision_changes import Changes
from console.undo import Undo
from profiles.observed.status import Reason
from profiles.plans.plan import Change
from profiles.revisions.drift import HIDDEN
from profiles.revisions.merged import ProfileRevision
from profiles.revisions.revision import Revision

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
    Column("tags", "Tags", 10, priority=1),
    Column("what", "Changed", 20, priority=1, grow=True),
    Column("nodes", "Nodes", 12, priority=2, grow=True),
    Column("reason", "Reason", 12, priority=3, grow=True),
)


def profile_revision_cells(one: ProfileRevision, now_unix_s: float) -> list[Cell]:
    """Newest first by its number. `stands` says on how many of its nodes; one that is not everywhere is a warning."""
    stands, kept = len(one.stands_on), len(one.on)
    partly = 0 < stands < kept + len(one.lacking)
    return [
        Cell(f"r{one.number}{' ?' if one.disagrees else ''}", -one.number, Tone.BAD if one.disagrees else Tone.PLAIN),
        Cell(f"! {stands}/{kept + len(one.lacking)}" if partly else "● yes" if stands else "", stands,
             Tone.WARN if partly else Tone.GOOD),
        Cell(UNKNOWN if one.at_unix_s is None else moment(one.at_unix_s, now_unix_s), one.at_unix_s),
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


def revision_lines(one: ProfileRevision, changes: Changes, now_unix_s: float, width: int) -> list[Line]:
    """Who made it and why, where it stands, and what it changed on each node, old → new."""
    at = UNKNOWN if one.at_unix_s is None else moment(one.at_unix_s, now_unix_s)
    lines = [entry("Revision", f"r{one.number} of {one.profile}   by {one.author or 'nobody'}   {at}")]
    lines += [entry("Tags", ", ".join(one.tags), Tone.KEY)] if one.tags else []
    lines += long_entry("Reason", one.reason or UNKNOWN, width)
    stands = f"stands on {', '.join(one.stands_on)}" if one.stands_on else "does not stand any more"
    lines.append(entry("Nodes", stands, Tone.PLAIN if one.stands_on else Tone.DIM))
    if one.lacking:
        lines += long_entry("", f"not on {', '.join(one.lacking)}", width, Tone.WARN)
    for node, found in changes.items():
        lines += [(), ((f" {node}", Tone.KEY),)]
        if isinstance(found, Reason):
            lines.append(((f"   {one_line(found.text)}", Tone.DIM),))
        elif not found:
            lines.append((("   nothing changed here", Tone.DIM),))
        for each in found if not isinstance(found, Reason) else ():
            lines.append(((f"   {each.instance}  {each.turn}", Tone.PLAIN),))
            lines += [((f"      {one_line(_changed(change))}", Tone.DIM),) for change in each.changes]
    return [cut(line, width) for line in lines]


def _changed(change: Change) -> str:
    """Environments are where people put what they should not: their values stay away."""
    if change.key.startswith("env."):
        return f"{change.key} {HIDDEN}"
    return f"{change.key} {change.old or UNKNOWN} → {change.new or UNKNOWN}"
