"""A plan as lines; the command line and the screens show the same."""

from collections.abc import Iterator, Sequence

from console.render.slices import amount, enforcement
from console.render.text import UNKNOWN, gib, one_line, plural
from profiles.clean import clean
from profiles.plan import Action, Change, GpuMemory, Plan, Step
from profiles.traits import TRAITS, Way, way

_SIGNS = {
    Action.KEEP: "=", Action.START: "+", Action.STOP: "-", Action.DRAIN: "↓", Action.REPLACE: "±", Action.LIVE: "~",
    Action.SLEEP: "z", Action.WAKE: "^", Action.PRUNE: "×", Action.MOVE: "→", Action.CORDON: "⊘", Action.UNCORDON: "○",
}  # fmt: skip


def plan_lines(plan: Plan) -> Iterator[str]:
    """A title, a line per step and one per key that changes; what files say is made harmless to a terminal."""
    return map(clean, _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    kept = sum(step.action is Action.KEEP for step in plan.steps)
    yield f"Plan  {plan.title}"
    if kept:
        what = "place" if plan.title in (Action.CORDON, Action.UNCORDON) else "instance"
        yield f"  = keep     {plural(kept, what)} unchanged"
    for step in plan.steps:
        if step.action is not Action.KEEP:
            yield from _step_lines(step)
    yield from _memory_lines(plan.memory)


def _step_lines(step: Step) -> Iterator[str]:
    yield f"  {_SIGNS[step.action]} {step.action:<8} {step.instance}  {_where(step)}"
    if step.action in (Action.REPLACE, Action.MOVE, Action.LIVE, Action.CORDON):
        for change in step.changes:
            yield f"      {one_line(_change_text(step.action, change))}"
    for part in step.slices:
        if part.memory_mib is not None or part.mig is not None:
            yield f"      gpu{part.gpu_index}: {amount(part)}, {enforcement(part)}"
        if way(part) is Way.MPS:
            yield f"      ! faults kept apart: {TRAITS[Way.MPS].faults}"
    if step.waits:
        yield f"      {one_line(f'! it will wait: {step.waits.text}')}"
    for limit, why in step.not_enforced.items():
        yield f"      {one_line(f'! {limit} is not enforced: {why}')}"


def _where(step: Step) -> str:
    return f"{step.from_node} → {step.node}" if step.from_node else f"on {step.node}"


def _change_text(action: Action, change: Change) -> str:
    how = "" if action not in (Action.REPLACE, Action.MOVE) else " (restart)" if change.restarts else " (live)"
    return f"{change.key}: {change.old or UNKNOWN} → {change.new or UNKNOWN}{how}"


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
