"""How many requests met every target that is counted by request, in the last minute: at least, and at most.

Gaps between tokens (ITL) are counted by token, and no histogram says to which requests the late ones belonged: they
are in no goodput, and stay in the burn.
"""

from collections.abc import Iterable

from console.render import text
from console.render.table import Cell, Tone
from console.store import NodeView
from profiles.latency import burn
from profiles.latency.objectives import READY
from profiles.observed.status import InstanceStatus

Goodput = tuple[float, float]
"""Requests a second."""


def goodput(view: NodeView, status: InstanceStatus) -> Goodput | None:
    """None where nothing is promised of requests, or the engine does not count them."""
    owned, reading = view.desired.instances.get(status.name), status.reading
    if owned is None or reading is None or reading.requests_per_s is None:
        return None
    by_token = {one.name for one in owned.spec.slo.latency if one.field == "itl"}
    counted = owned.spec.slo.allowed().keys() - by_token - {READY}
    missed = [windows[0] for name, windows in status.misses.items() if name in counted and windows]
    return burn.goodput(reading.requests_per_s, missed) if missed else None


def all_good(several: Iterable[Goodput | None]) -> Goodput | None:
    """Of those replicas of which it is known."""
    known = [one for one in several if one is not None]
    return (sum(low for low, _ in known), sum(high for _, high in known)) if known else None


def good_cell(found: Goodput | None) -> Cell:
    """`11.4`, or `11.4–12.0` where a target lies inside a bucket."""
    if found is None:
        return Cell(text.UNKNOWN, tone=Tone.DIM)
    low, high = map(text.rate, found)
    return Cell(low if low == high else f"{low}–{high}", found[0])
