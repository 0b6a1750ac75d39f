"""Back to what was: which change is undone, and the plan that undoes it. Pure.

    heads ──► choose(to, only) ──► Choice ──► plan_undo(current, before, after) ──► Plan

Undoing is one more change: it makes a new generation, and undoing it returns. What changed since in the same
instances is never overwritten unseen: that is an overlap, and refused.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from profiles.desired.model import Cordon, Desired, DesiredInstance
from profiles.observed.status import Reason
from profiles.placing.cordon import Cordons
from profiles.plans.cordon_plan import step_of
from profiles.plans.difference import step_between
from profiles.plans.plan import Action, NodePlan, Plan, Step
from profiles.revisions.heads import predecessor, stood
from profiles.revisions.revision import NO_CORDONS, Document, Revision, changed, meaning


class Choice(msgspec.Struct, frozen=True):
    """The changes to undo, newest first, and the generations whose documents stand before and after them."""

    undone: tuple[Revision, ...]
    before: int
    after: int


def choose(heads: Sequence[Revision], to: int | None = None, only: int | None = None) -> Choice | Reason:
    """The last change, all waves of it; with `to`, all since that generation; with `only`, what made one generation.

    `heads` are those that the node keeps, oldest first. A Reason says why there is nothing to undo.
    """
    if len(heads) < 2:
        gone = bool(heads) and heads[0].generation > 0
        text = "nothing older than the last change is kept" if gone else "nothing was changed on this node yet"
        return Reason("nothing_to_undo", text, "see `gpuyard revisions`")
    if to is not None:
        return _back_to(heads, to)
    generation = heads[-1].generation if only is None else only
    at = next((at for at, head in enumerate(heads) if head.generation == generation), None)
    if at is None:
        return Reason("not_found", f"no change that is kept made generation {generation}", "see `gpuyard revisions`")
    first = at if only is not None else _first_wave(heads, at)
    replaced = predecessor(heads, heads[first])
    if replaced is None:
        return _gone(heads, heads[first].generation - 1)
    return Choice(tuple(reversed(heads[first : at + 1])), replaced.generation, generation)


def plan_undo(
    node: str,
    current: Desired,
    before: Document,
    after: Document,
    profile_text: str = "",
    cordons: tuple[Cordons, Cordons] = (NO_CORDONS, NO_CORDONS),
) -> Plan:
    """The plan that takes back in `current` what led from `before` to `after`; all else stays as it is.

    An instance that is no longer as it was `after` is a blocker. `cordons` are those before and after.
    """
    steps, kept = _cordons(node, current.cordons, *cordons)
    blockers: list[Reason] = []
    instances = dict(current.instances)
    for name in (one.instance for one in changed(after, before)):
        now, then, left = current.instances.get(name), before.get(name), after.get(name)
        if _meant(then) in (_meant(left), _meant(now)):
            continue  # the same, or taken back by hand already
        if _meant(now) != _meant(left):
            text = f"{name} on {node} was changed again since"
            blockers.append(Reason("overlap", text, "undo the later change first, or all of them with --to"))
        elif then is None:
            del instances[name]
            steps.append(Step(action=Action.PRUNE, node=node, instance=name))
        else:
            asked = now.spec.restarts_asked if now else then.spec.restarts_asked
            instances[name] = replace(then, spec=replace(then.spec, restarts_asked=asked))
            steps.append(step_between(node, now.spec if now else None, then.spec))
    if not steps and not blockers:
        blockers.append(Reason("nothing_to_undo", f"{node} is as it was before", "see `gpuyard revisions`"))
    edit = NodePlan(node=node, expected_generation=current.generation, instances=instances,
                    profile_text=profile_text, cordons=kept)  # fmt: skip
    return Plan(title=f"undo on {node}", steps=tuple(steps), nodes=(edit,), blockers=tuple(blockers))


def _cordons(node: str, now: Cordons, before: Cordons, after: Cordons) -> tuple[list[Step], dict[str, Cordon] | None]:
    """What was cordoned is not any more, and the other way round, where nobody did so already."""
    lifted = [key for key in sorted(after.keys() - before.keys()) if key in now]
    again = [key for key in sorted(before.keys() - after.keys()) if key not in now]
    if not lifted and not again:
        return [], None
    steps = [step_of(Action.UNCORDON, node, key, now[key]) for key in lifted]
    steps += [step_of(Action.CORDON, node, key, before[key]) for key in again]
    kept = {key: one for key, one in now.items() if key not in lifted}
    return steps, kept | {key: before[key] for key in again}


def _first_wave(heads: Sequence[Revision], last: int) -> int:
    """Where the apply began whose last wave made heads[last]."""
    applied, first = heads[last].applied, last
    while first and applied and (before := heads[first - 1].applied) and before.same(applied):
        first -= 1
    return first


def _back_to(heads: Sequence[Revision], to: int) -> Choice | Reason:
    newest = heads[-1].generation
    if to >= newest:
        return Reason("nothing_to_undo", f"nothing changed since generation {to}", "see `gpuyard revisions`")
    then = stood(heads, to)
    if then is None:
        return _gone(heads, to)
    undone = tuple(head for head in reversed(heads) if head.generation > then.generation)
    return Choice(undone, then.generation, newest)


def _gone(heads: Sequence[Revision], generation: int) -> Reason:
    text = f"the document of generation {generation} is gone"
    return Reason("gone", text, f"the oldest that is kept is {heads[0].generation}: apply the profile's file instead")


def _meant(owned: DesiredInstance | None) -> object:
    return None if owned is None else meaning(owned)
