"""Back to what was: which change is undone, and the plan that undoes it. Pure.

    heads ──► choose(to, only) ──► Choice ──► plan_undo(current, before, after) ──► Plan

Undoing is one more change: it makes a new generation, and undoing it returns. What changed since in the same
instances is never overwritten unseen: that is an overlap, and refused.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from profiles.model import Desired, DesiredInstance
from profiles.plan import Action, NodePlan, Plan, Step, step_between
from profiles.revision import Document, Revision, changed, meaning
from profiles.status import Reason


class Choice(msgspec.Struct, frozen=True):
    """The changes to undo, newest first, and the generations whose documents stand before and after them."""

    undone: tuple[Revision, ...]
    before: int
    after: int


def choose(heads: Sequence[Revision], to: int | None = None, only: int | None = None) -> Choice | Reason:
    """The last change; with `to`, all since that generation; with `only`, the one change that made a generation.

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
    if at == 0:
        return _gone(heads, generation - 1)
    return Choice((heads[at],), heads[at - 1].generation, generation)


def plan_undo(node: str, current: Desired, before: Document, after: Document, profile_text: str = "") -> Plan:
    """The plan that takes back in `current` what led from `before` to `after`; all else stays as it is.

    An instance that is no longer as it was `after` is a blocker.
    """
    steps: list[Step] = []
    blockers: list[Reason] = []
    instances = dict(current.instances)
    for name in (one.instance for one in changed(after, before)):
        now, then, left = current.instances.get(name), before.get(name), after.get(name)
        if _meant(left) == _meant(then):
            continue
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
    edit = NodePlan(node=node, expected_generation=current.generation, instances=instances, profile_text=profile_text)
    return Plan(title=f"undo on {node}", steps=tuple(steps), nodes=(edit,), blockers=tuple(blockers))


def _back_to(heads: Sequence[Revision], to: int) -> Choice | Reason:
    newest = heads[-1].generation
    if to >= newest:
        return Reason("nothing_to_undo", f"nothing changed since generation {to}", "see `gpuyard revisions`")
    stood = [head.generation for head in heads if head.generation <= to]
    if not stood:
        return _gone(heads, to)
    return Choice(tuple(head for head in reversed(heads) if head.generation > stood[-1]), stood[-1], newest)


def _gone(heads: Sequence[Revision], generation: int) -> Reason:
    text = f"the document of generation {generation} is gone"
    return Reason("gone", text, f"the oldest that is kept is {heads[0].generation}: apply the profile's file instead")


def _meant(owned: DesiredInstance | None) -> object:
    return None if owned is None else meaning(owned)
