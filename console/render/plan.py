"""A plan as lines; the command line and the screens show the same.

title · what is kept · an entry for each change · memory and money, before and after · what it costs and risks
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from console.render.fit import Line
from console.render.plan_steps import SHOWN_NODES, entries, entry_lines
from console.render.planmoney import money_lines
from console.render.table import Tone
from console.render.text import UNKNOWN, age, gib, one_line, plural
from profiles.desired.rollout import Rollout
from profiles.money.plan_money import PlanMoney
from profiles.plans.effects import in_flight
from profiles.plans.plan import Action, GpuMemory, Plan
from profiles.text.clean import clean

SIDE_BY_SIDE_FROM = 100
"""Columns in which both tables stand beside each other."""
GAP = 4
_NO_MONEY = PlanMoney()


def plan_lines(plan: Plan, money: PlanMoney = _NO_MONEY, width: int = 0) -> Iterator[str]:
    """As text; what files say is made harmless to a terminal."""
    lines = [*title_lines(plan), *(line for entry in entries(plan) for line in entry_lines(entry))]
    for line in [*lines, *table_lines(plan, money, width), *summary_lines(plan)]:
        yield clean("".join(text for text, _ in line))


def title_lines(plan: Plan) -> Iterator[Line]:
    yield ((f"Plan  {plan.title}", Tone.PLAIN),)
    kept = sum(step.action is Action.KEEP for step in plan.steps)
    if kept:
        what = "place" if plan.title in (Action.CORDON, Action.UNCORDON) else "instance"
        yield ((f"  = keep     {plural(kept, what)} unchanged", Tone.DIM),)


def table_lines(plan: Plan, money: PlanMoney, width: int = 0) -> Iterator[Line]:
    """What is given of each GPU and what is paid for it; beside each other where there is the room."""
    left, right = list(_memory_lines(plan.memory)), list(money_lines(money))
    size = max(map(len, left), default=0) + GAP
    if left and right and width >= max(SIDE_BY_SIDE_FROM, size + max(map(len, right))):
        for memory, cost in zip_longest(left, right, fillvalue=""):
            yield ((f"{memory:<{size}}{cost.removeprefix('  ')}".rstrip(), Tone.PLAIN),)
    else:
        yield from (((text, Tone.PLAIN),) for text in (*left, *right))


def summary_lines(plan: Plan) -> Iterator[Line]:
    """How careful it is, how it is taken back, and whom it hits now, where that is more than one entry says."""
    if plan.rollout is not None and plan.changes_anything:
        yield ((f"  In waves: {_careful(plan.rollout)}", Tone.PLAIN),)
        yield ((f"  On failure: {plan.rollout.on_failure}", Tone.PLAIN),)
    if plan.undone_by:
        yield ((f"  Undo: {plan.undone_by}", Tone.PLAIN),)
    ended = sum(step.effect is not None for step in plan.steps)
    if ended > 1:
        count = in_flight(plan)
        flying = UNKNOWN if count is None else f"{count:,}"
        yield ((f"  Requests in flight now: {flying} on the {ended} instances that stop or start anew", Tone.PLAIN),)


def blocker_lines(plan: Plan) -> Iterator[Line]:
    """What stands in the way."""
    for blocker in plan.blockers:
        hint = f" — {blocker.hint}" if blocker.hint else ""
        yield ((f"  ! {one_line(blocker.text + hint)}", Tone.BAD),)


def valid_while(plan: Plan) -> str:
    """`8 changes, valid while fra-1 stays at generation 7, ams-1 at 5`."""
    changed = sum(step.action is not Action.KEEP for step in plan.steps)
    first, *others = [(edit.node, edit.expected_generation) for edit in plan.nodes]
    stays = [f"{first[0]} stays at generation {first[1]}", *(f"{node} at {number}" for node, number in others)]
    more = f" and {plural(len(stays) - SHOWN_NODES, 'more node')}" if stays[SHOWN_NODES:] else ""
    return f"{plural(changed, 'change')}, valid while {', '.join(stays[:SHOWN_NODES])}{more}"


def _careful(rollout: Rollout) -> str:
    """`at most 1 replica of a service away at once, each ready for 10s before the next`."""
    most = plural(rollout.max_parallel, "replica")
    soak = f" for {age(rollout.soak_s)}" if rollout.soak_s else ""
    return f"at most {most} of a service away at once, each ready{soak} before the next"


def _memory_lines(memory: Sequence[GpuMemory]) -> Iterator[str]:
    """What is given of each GPU, in GiB."""
    if not memory:
        return
    names = [f"{row.node} gpu{row.gpu_index}" for row in memory]
    width = max(len("GPU"), *map(len, names))
    yield f"  {'GPU':<{width}}  {'before':>7}  {'after':>7}  {'of GiB':>7}"
    for name, row in zip(names, memory, strict=True):
        figures = (gib(row.before_mib), gib(row.after_mib), gib(row.allocatable_mib))
        yield f"  {name:<{width}}  {'  '.join(f'{figure:>7}' for figure in figures)}"
