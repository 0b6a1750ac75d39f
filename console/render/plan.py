"""A plan as lines; the command line and the screens show the same."""

from collections.abc import Iterator

from console.render.text import UNKNOWN, one_line, plural
from profiles.clean import clean
from profiles.plan import Action, Plan, Step

_SIGNS = {
    Action.KEEP: "=", Action.START: "+", Action.STOP: "-", Action.DRAIN: "↓", Action.REPLACE: "±", Action.LIVE: "~",
    Action.PRUNE: "×", Action.CORDON: "⊘", Action.UNCORDON: "○",
}  # fmt: skip


def plan_lines(plan: Plan) -> Iterator[str]:
    """A title, a line per step and one per key that changes; what files say is made harmless to a terminal."""
    return map(clean, _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    kept = sum(step.action is Action.KEEP for step in plan.steps)
    yield f"Plan  {plan.title}"
    if kept:
        yield f"  = keep     {plural(kept, 'instance')} unchanged"
    for step in plan.steps:
        if step.action is not Action.KEEP:
            yield from _step_lines(step)


def _step_lines(step: Step) -> Iterator[str]:
    yield f"  {_SIGNS[step.action]} {step.action:<8} {step.instance}  on {step.node}"
    if step.action in (Action.REPLACE, Action.LIVE, Action.CORDON):
        for change in step.changes:
            yield f"      {one_line(f'{change.key}: {change.old or UNKNOWN} → {change.new or UNKNOWN}')}"
    for limit, why in step.not_enforced.items():
        yield f"      {one_line(f'! {limit} is not enforced: {why}')}"
