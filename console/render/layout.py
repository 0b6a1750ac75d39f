"""A change of a GPU's MIG layout as lines; the command line and the screens show the same.

slot     0       1       2       3       4       5       6       7
now      ▏3g.40gb                        ▏3g.40gb
then     ▏3g.40gb                        ▏1g.10gb▏1g.10gb·       ·
"""

from collections.abc import Iterator, Sequence

from console.render.text import one_line
from engines.devices import MigSlot
from profiles.gpu.repartition import BlockerKind, ChangePhase, GpuChange, GpuPlan
from profiles.observed.mig import MigLayout
from profiles.text.clean import clean

WIDTH = 80
_HEAD_CELLS, _SLOT_CELLS = 13, 8
_FEW, _ALL = 4, 8
"""Slots of memory, on the two kinds of parts that there are."""

_VERBS = {
    ChangePhase.DRAINING: "lets requests finish of who has to go",
    ChangePhase.STOPPING: "stops who has to go",
    ChangePhase.QUIET: "waits until nobody is left there",
    ChangePhase.RELEASING: "takes our own reader off the GPUs",
    ChangePhase.MODE: "changes MIG mode",
    ChangePhase.DESTROYING: "destroys instances",
    ChangePhase.CREATING: "creates instances",
    ChangePhase.VERIFYING: "looks whether all is there",
    ChangePhase.RESTARTING: "lets engines start",
}


def layout_plan_lines(node: str, plan: GpuPlan, width: int = WIDTH) -> Iterator[str]:
    """What stays, goes and comes, whom that ends, what it needs and what is in its way."""
    return map(clean, _lines(node, plan, width))


def _lines(node: str, plan: GpuPlan, width: int) -> Iterator[str]:
    change = plan.plan
    yield f"Plan  divide {node} gpu{plan.gpu_index}"
    if plan.undoes:
        yield one_line(f"  undoes     {plan.undoes.layout.text()}, by {plan.undoes.author or 'nobody'}")
    if not change.changes:
        yield f"  = keep     {change.now.text()}"
        return
    yield from map_lines(change.now, change.wanted, width)
    if change.keep:
        yield f"  = keep     {_listed(change.keep)}; who runs there is not disturbed"
    if change.destroy:
        yield f"  × destroy  {_listed(change.destroy)}"
    if change.switches:
        how = ", by a reset of the GPU" if plan.resets else ""
        yield f"  ± mode     MIG {'on' if change.wanted.mode else 'off'}{how}"
    if change.create:
        yield f"  + create   {_listed(change.create)}"
    for blocker in plan.blockers:
        sign, word = _BLOCKERS[blocker.kind]
        yield f"  {sign} {word:<8} {one_line(blocker.text())}"
    if plan.missing:
        yield f"  ! {one_line(f'{plan.missing.text} — {plan.missing.hint}')}"


_BLOCKERS = {
    BlockerKind.INSTANCE: ("↓", "drain"),
    BlockerKind.PROCESS: ("!", "in use"),
    BlockerKind.READER: ("~", "pause"),
}


def map_lines(now: MigLayout, then: MigLayout, width: int = WIDTH) -> Iterator[str]:
    """Both layouts over the slots of memory."""
    ends = [slot.start + slot.size for slot in (*now.slots, *then.slots)]
    slots = _FEW if ends and max(ends) <= _FEW else _ALL
    cells = min(_SLOT_CELLS, (width - _HEAD_CELLS) // slots)
    yield "    slot     " + "".join(f"{number:<{cells}}" for number in range(slots)).rstrip()
    for word, layout in (("now", now), ("then", then)):
        yield f"    {word:<8} {_bar(layout, slots, cells)}"


def _bar(layout: MigLayout, slots: int, width: int) -> str:
    """`width` cells a slot."""
    if not layout.mode:
        return "not divided"
    cells = ["·".ljust(width)] * slots
    for slot in layout.slots:
        room = slot.size * width
        name = slot.profile if len(slot.profile) < room else f"{slot.profile[: room - 2]}…"
        cells[slot.start] = f"▏{name}".ljust(room)
        for taken in range(slot.start + 1, slot.start + slot.size):
            cells[taken] = ""
    return "".join(cells).rstrip()


def _listed(slots: Sequence[MigSlot]) -> str:
    """`1g.10gb at 4, 5, 6; 3g.40gb at 0`"""
    starts: dict[str, list[str]] = {}
    for slot in slots:
        starts.setdefault(slot.profile, []).append(str(slot.start))
    return "; ".join(f"{profile} at {', '.join(several)}" for profile, several in starts.items())


def change_line(change: GpuChange) -> str:
    """Where a change is, in a sentence after the GPU's name; `change_reason` says why."""
    if change.phase is ChangePhase.STUCK:
        return "is stuck between two layouts"
    if change.phase is ChangePhase.READY:
        return f"is as before ({change.before.text()})" if change.rolling_back else f"has {change.wanted.text()}"
    back = "goes back to the layout before: " if change.rolling_back and change.failure else ""
    return f"{change.phase}: {back}{_VERBS.get(change.phase, 'begins')}"


def change_reason(change: GpuChange) -> str:
    """Why it did not come to what was wanted, and what to do; "" where it did."""
    reasons = [change.failure, change.why_stuck] if change.phase is ChangePhase.STUCK else [change.failure]
    found = [reason for reason in reasons if reason]
    texts = "; on the way back: ".join(dict.fromkeys(reason.text for reason in found))
    hint = next((reason.hint for reason in reversed(found) if reason.hint), "")
    return one_line(f"{texts} — {hint}" if hint else texts)
