"""The plan of one verb on named instances. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum

from msgspec.structs import replace

from engines.control import Act, why_not
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.observed.status import Reason
from profiles.plans.difference import changes
from profiles.plans.plan import Action, NodePlan, Plan, Step


class Verb(StrEnum):
    """What a person may ask of running instances."""

    START = "start"
    STOP = "stop"
    STOP_NOW = "stop --now"
    DRAIN = "drain"
    RESTART = "restart"
    SLEEP = "sleep"
    WAKE = "wake"


def plan_verb(
    verb: Verb,
    targets: Iterable[tuple[str, str]],
    desired: Mapping[str, Desired],
    failed: Collection[tuple[str, str]] = (),
) -> Plan:
    """The plan of one verb on (node, instance) pairs. An instance that a node does not know is a blocker.

    Starting one of the `failed`, which are wanted already, asks for a new attempt.
    """
    edit, action = _VERBS[verb]
    steps: list[Step] = []
    blockers: list[Reason] = []
    new: dict[str, dict[str, DesiredInstance]] = {}
    for node, name in dict.fromkeys(targets):
        owned = desired[node].instances.get(name) if node in desired else None
        if owned is None:
            blockers.append(Reason("not_found", f"no instance {name} on {node}", "see `gpuyard instances`"))
            continue
        anew = verb is Verb.START and (node, name) in failed
        spec = _restarted(owned.spec) if anew else edit(owned.spec)
        if spec.wanted is Wanted.SLEEPING and (why := why_not(spec.engine, spec.options, Act.SLEEP)):
            blockers.append(Reason("cannot_sleep", f"{name} cannot sleep: {why}", "`drain` holds it empty instead"))
            continue
        if spec == owned.spec:
            steps.append(Step(action=Action.KEEP, node=node, instance=name))
            continue
        steps.append(Step(action=action, node=node, instance=name, changes=changes(owned.spec, spec)))
        instances = new.setdefault(node, dict(desired[node].instances))
        instances[name] = replace(owned, spec=spec, preempted_for="")
    edits = tuple(
        NodePlan(node=node, expected_generation=desired[node].generation, instances=new[node]) for node in sorted(new)
    )
    return Plan(title=str(verb), steps=tuple(steps), nodes=edits, blockers=tuple(blockers))


def _started(spec: InstanceSpec) -> InstanceSpec:
    return replace(spec, wanted=Wanted.RUNNING, drain_s=None)


def _stopped(spec: InstanceSpec) -> InstanceSpec:
    return spec if spec.wanted is Wanted.STOPPED else replace(spec, wanted=Wanted.STOPPED, drain_s=None)


def _stopped_now(spec: InstanceSpec) -> InstanceSpec:
    """Also hurries a stop that is under way."""
    return replace(spec, wanted=Wanted.STOPPED, drain_s=0.0)


def _drained(spec: InstanceSpec) -> InstanceSpec:
    return spec if spec.wanted is Wanted.STOPPED else replace(spec, wanted=Wanted.DRAINED, drain_s=None)


def _slept(spec: InstanceSpec) -> InstanceSpec:
    return spec if spec.wanted is Wanted.STOPPED else replace(spec, wanted=Wanted.SLEEPING, drain_s=None)


def _woken(spec: InstanceSpec) -> InstanceSpec:
    return _started(spec) if spec.wanted is Wanted.SLEEPING else spec


def _restarted(spec: InstanceSpec) -> InstanceSpec:
    return replace(_started(spec), restarts_asked=spec.restarts_asked + 1)


_VERBS: dict[Verb, tuple[Callable[[InstanceSpec], InstanceSpec], Action]] = {
    Verb.START: (_started, Action.START),
    Verb.STOP: (_stopped, Action.STOP),
    Verb.STOP_NOW: (_stopped_now, Action.STOP),
    Verb.DRAIN: (_drained, Action.DRAIN),
    Verb.RESTART: (_restarted, Action.REPLACE),
    Verb.SLEEP: (_slept, Action.SLEEP),
    Verb.WAKE: (_woken, Action.WAKE),
}
