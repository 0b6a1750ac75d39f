"""What differs, as rows."""

from console.render.table import Cell, Column, Tone
from console.render.text import UNKNOWN, clock, one_line
from profiles.revisions.drift import Drift

DRIFT_COLUMNS = (
    Column("profile", "Profile", 8, priority=3),
    Column("node", "Node", 6, priority=2),
    Column("instance", "Instance", 10, priority=1),
    Column("key", "Key", 10, priority=1),
    Column("wanted", "Wanted", 8, priority=1),
    Column("desired", "Asked for", 8, priority=1),
    Column("running", "Running", 8, priority=1),
    Column("author", "By", 6, priority=2),
    Column("at", "Since", 8, priority=3),
    Column("reason", "Reason", 12, priority=4, grow=True),
)


def drift_cells(one: Drift, clock_skew_s: float) -> list[Cell]:
    """What is as it was is left empty."""
    at = "" if one.at_unix_s is None else clock(one.at_unix_s - clock_skew_s)
    return [
        Cell(one.profile, one.profile),
        Cell(one.node, one.node),
        Cell(one.instance, one.instance),
        Cell(one.key, one.key),
        Cell(one_line(one.wanted) or (UNKNOWN if one.running is None else ""), one.wanted),
        Cell(one_line(one.desired) or UNKNOWN, one.desired, Tone.WARN if one.running is None else Tone.PLAIN),
        Cell(one_line(one.running or ""), one.running, Tone.WARN),
        Cell(one.author, one.author),
        Cell(at, one.at_unix_s),
        Cell(one_line(one.reason), one.reason, Tone.DIM),
    ]
