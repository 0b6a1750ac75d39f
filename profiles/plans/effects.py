"""What a plan costs those who use what it ends: requests in flight, and how long it is away. Pure.

moves to another node in waves, and both fit at once ──► away for nothing
the same model on the same kind of GPU comes back    ──► as long as its last load took there
anything else that comes back                        ──► unknown, never guessed
"""

from collections.abc import Mapping

from msgspec.structs import replace

from profiles.desired.model import Desired, InstanceSpec
from profiles.gpu.ledger import refused_by_book
from profiles.observed.status import SERVES, InstanceStatus, NodeStatus
from profiles.plans.plan import STARTS, Action, Effect, Plan, Step
from profiles.plans.room import held

_ENDS = frozenset({Action.REPLACE, Action.MOVE, Action.STOP, Action.DRAIN, Action.SLEEP, Action.PRUNE, Action.PREEMPT})
"""What is started has no process yet, or goes on with the one that was drained."""


def with_effects(plan: Plan, desired: Mapping[str, Desired], nodes: Mapping[str, NodeStatus]) -> Plan:
    """Each step that ends a process, or empties it, with what that does."""
    wanted = {(edit.node, name): owned.spec for edit in plan.nodes for name, owned in edit.instances.items()}
    running = {(node, one.name): one for node, status in nodes.items() for one in status.instances if one.pid}

    def told(step: Step) -> Step:
        now = running.get((step.from_node or step.node, step.instance))
        if now is None or step.action not in _ENDS:
            return step
        then = wanted.get((step.node, step.instance)) if step.action in STARTS else None
        beside = plan.rollout is not None and bool(step.from_node)
        away_s = None if then is None else _away_s(step, now, then, desired, nodes, beside=beside)
        return replace(step, effect=Effect(in_flight=_in_flight(now), comes_back=then is not None, away_s=away_s))

    return replace(plan, steps=tuple(told(step) for step in plan.steps))


def in_flight(plan: Plan) -> int | None:
    """Requests of all that a plan ends; None where one of them does not say."""
    found = [step.effect.in_flight for step in plan.steps if step.effect]
    known = [count for count in found if count is not None]
    return sum(known) if len(known) == len(found) else None


def _in_flight(status: InstanceStatus) -> int | None:
    reading = status.reading
    if status.phase not in SERVES:
        return 0
    return None if reading is None or reading.running is None else round(reading.running + (reading.waiting or 0))


def _away_s(
    step: Step, now: InstanceStatus, then: InstanceSpec, desired: Mapping[str, Desired],
    nodes: Mapping[str, NodeStatus], *, beside: bool,
) -> float | None:  # fmt: skip
    """`beside`: the new one may start before the old one goes."""
    there = nodes.get(step.node)
    if there is None:
        return None
    if beside and refused_by_book(then.slices, there.gpus, held(desired[step.node].instances)) is None:
        return 0.0
    here = nodes.get(step.from_node or step.node, there)
    names = {gpu.uuid: gpu.name for gpu in (*here.gpus, *there.gpus)}
    same_kind = sorted(names.get(part.gpu_uuid, "") for part in now.slices) == sorted(
        names.get(part.gpu_uuid, "") for part in then.slices
    )
    same_model = (now.engine, now.model) == (then.engine, then.model)
    return now.load_s if same_model and same_kind else None
