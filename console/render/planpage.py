"""The page of a plan, and that of one of its entries."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from console.render.fit import Line, cut
from console.render.plan import blocker_lines, summary_lines, table_lines, title_lines, valid_while
from console.render.plan_steps import Entry, change_text, effect_text, entries, entry_lines
from console.render.slices import amount, enforcement
from console.render.table import Tone
from console.render.text import gib
from console.store import Store
from profiles.money.plan_money import PlanMoney
from profiles.observed.status import Reason
from profiles.plans.plan import Plan, Step


class Page(NamedTuple):
    """`at` is the line of each entry of the plan."""

    lines: list[Line]
    at: list[int]


def plan_page(plan: Plan, money: PlanMoney, stale: Sequence[Reason], cursor: int, width: int) -> Page:
    """`cursor` is the entry in hand; `stale` says why the plan no longer stands."""
    lines: list[Line] = list(title_lines(plan))
    lines += [((f"  ! stale: {reason.text}", Tone.BAD),) for reason in stale]
    lines += [*blocker_lines(plan), ()]
    at: list[int] = []
    for number, entry in enumerate(entries(plan)):
        at.append(len(lines))
        head, *below = entry_lines(entry)
        lines += [_in_hand(head) if number == cursor else head, *below]
    if not at:
        lines.append((("  nothing to do: all is as it should be", Tone.DIM),))
    for more in (list(table_lines(plan, money, width)), list(summary_lines(plan))):
        lines += [(), *more] if more else []
    if at and not stale and not plan.blockers:
        lines += [(), ((f"  {valid_while(plan)}", Tone.DIM),)]
    return Page([cut(line, width) for line in lines], at)


def entry_page(entry: Entry, plan: Plan, store: Store, width: int) -> list[Line]:
    """Each step of an entry in full: its keys, its GPUs and what is given of them, what it ends."""
    lines: list[Line] = [((entry.head(), Tone.PLAIN),)]
    for step in entry.steps:
        lines += [(), *_step_lines(step, plan, store)]
    return [cut(line, width) for line in lines]


def _step_lines(step: Step, plan: Plan, store: Store) -> Iterator[Line]:
    node = step.from_node or step.node
    view = store.nodes.get(node)
    status = view.instances.get(step.instance) if view else None
    now = f"{status.phase} on {node}" if status else "not there yet"
    yield ((f"  {step.instance}", Tone.PLAIN), (f"  {now}", Tone.DIM))
    for change in step.changes:
        yield ((f"    {change_text(step.action, change)}", Tone.WARN if change.by_hand else Tone.PLAIN),)
    held = {part.gpu_index for part in step.slices}
    for part in step.slices:
        how = f"{amount(part)}, {enforcement(part)}" if amount(part) else "the whole GPU"
        yield ((f"    {step.node} gpu{part.gpu_index}: {how}", Tone.PLAIN),)
    for row in plan.memory:
        if row.node == step.node and row.gpu_index in held:
            text = f"given of it: {gib(row.before_mib)} → {gib(row.after_mib)} of {gib(row.allocatable_mib)} GiB"
            yield ((f"    {row.node} gpu{row.gpu_index}: {text}", Tone.DIM),)
    if step.effect:
        yield ((f"    {effect_text([step.effect])}", Tone.PLAIN),)
    if step.waits:
        yield ((f"    ! it will wait: {step.waits.text}", Tone.WARN),)
    for limit, why in step.not_enforced.items():
        yield ((f"    ! {limit} is not enforced: {why}", Tone.WARN),)


def _in_hand(line: Line) -> Line:
    """Marked by a sign as well, for who sees no colour."""
    (_, tone), *others = line
    return (("› ", tone), *((text, Tone.KEY) for text, _ in others))
