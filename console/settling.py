"""What becomes of an applied plan: each of its steps, until all are at their end.

applied ──► pending, loading, … ──► as planned (ok)
                  └──► failed · the node is gone · superseded: somebody wants something else now · out of time
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec
from msgspec.structs import replace

from console.store import UNREACHABLE_AFTER_S, NodeState, NodeView, Store
from profiles.desired.model import Desired, InstanceSpec
from profiles.observed.status import InstanceStatus, Phase, Reason
from profiles.plans.plan import Action, NodePlan, Plan, Step

NOT_DONE = frozenset({"not_asleep", "not_awake"})
"""Codes of an instance that does not do what it was told."""
EMPTY = "empty"
"""The code of an instance's reason once a drain is done."""

LIMIT_S = 900.0
LOOK_EVERY_S = 0.1

_WAITED_FOR = {
    Action.START: Phase.READY,
    Action.REPLACE: Phase.READY,
    Action.MOVE: Phase.READY,
    Action.STOP: Phase.STOPPED,
    Action.DRAIN: Phase.DRAINING,
    Action.SLEEP: Phase.SLEEPING,
    Action.WAKE: Phase.READY,
    Action.PRUNE: Phase.STOPPED,
    Action.PREEMPT: Phase.STOPPED,
}

Before = Mapping[tuple[str, str], InstanceStatus | None]
"""(node, instance) → what it was when the plan was applied."""


class Settling(msgspec.Struct, frozen=True, kw_only=True):
    """How far one step of a plan is. `ok` None: not there yet. `status` None: the instance is gone."""

    step: Step
    status: InstanceStatus | None
    ok: bool | None
    reason: Reason | None = None


async def settle(store: Store, plan: Plan, before: Before, limit_s: float = LIMIT_S) -> AsyncIterator[Settling]:
    """Each change of each step, until all are at their end; at the limit the rest is not ok."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    edits = {edit.node: edit for edit in plan.nodes}
    last: dict[tuple[str, str], Settling] = {}
    steps = [step for step in plan.steps if step.action is not Action.KEEP]
    while steps:
        over = loop.time() >= end
        for step in list(steps):
            now = look(store, edits[step.node], step, before.get((step.node, step.instance)))
            if over and now.ok is None:
                text = f"{step.instance} is still {now.status.phase if now.status else 'unknown'}"
                hint = f"see `gpuyard logs {step.instance}`"
                now = replace(now, ok=False, reason=Reason("timeout", f"{text} after {limit_s:.0f} s", hint))
            if now.ok is not None:
                steps.remove(step)
            if now != last.get((step.node, step.instance)):
                last[step.node, step.instance] = now
                yield now
        if steps:
            await asyncio.sleep(LOOK_EVERY_S)


def look(store: Store, edit: NodePlan, step: Step, before: InstanceStatus | None) -> Settling:
    """Where `step` stands; what was so before the plan was applied does not count."""
    view = store.nodes[step.node]
    status = view.instances.get(step.instance)
    if view.state is NodeState.REFUSED or _is_gone(store, view):
        return Settling(step=step, status=status, ok=False, reason=view.why)
    if step.action in (Action.CORDON, Action.UNCORDON):
        return Settling(step=step, status=None, ok=True if view.desired.generation > edit.expected_generation else None)
    if _is_superseded(edit, step.instance, view.desired):
        return Settling(step=step, status=status, ok=False, reason=_superseded(view))
    if status is None:
        return Settling(step=step, status=None, ok=True if step.action is Action.PRUNE else None)
    moved = before is None or (status.since_unix_s, status.phase) != (before.since_unix_s, before.phase)
    left = step.from_node == "" or step.instance not in store.nodes[step.from_node].instances
    if left and _is_done(step.action, status) and (moved or step.action not in (Action.REPLACE, Action.MOVE)):
        return Settling(step=step, status=status, ok=True)
    refused = status.reason is not None and status.reason.code in NOT_DONE
    if moved and (status.phase is Phase.FAILED or refused):
        return Settling(step=step, status=status, ok=False, reason=status.reason)
    return Settling(step=step, status=status, ok=None, reason=status.reason)


def _is_gone(store: Store, view: NodeView) -> bool:
    """A link that broke is given the time of a few new attempts."""
    age_s = store.age_s(view)
    return view.state is NodeState.UNREACHABLE and (age_s is None or age_s >= UNREACHABLE_AFTER_S)


def _is_superseded(edit: NodePlan, instance: str, now: Desired) -> bool:
    """Whether a document later than the one that was planned on wants something else than `edit`."""
    if now.generation <= edit.expected_generation:
        return False  # the news of our own edit is still under way
    ours, theirs = edit.instances.get(instance), now.instances.get(instance)
    return _process(ours.spec if ours else None) != _process(theirs.spec if theirs else None)


def _process(spec: InstanceSpec | None) -> object:
    """Equal where the same process is wanted, in the same state."""
    return None if spec is None else (spec.wanted, spec.launch_key())


def _superseded(view: NodeView) -> Reason:
    why = f" ({view.desired.reason})" if view.desired.reason else ""
    text = f"superseded by {view.desired.author or 'somebody'}{why}"
    return Reason("superseded", text, f"see `gpuyard revisions {view.name}`")


def _is_done(action: Action, status: InstanceStatus) -> bool:
    if action is Action.DRAIN and (status.reason is None or status.reason.code != EMPTY):
        return False
    return action is Action.LIVE or status.phase is _WAITED_FOR[action]
