"""The difference between what nodes are asked to run now and what they should be asked: pure, no I/O.

    plan_profile   a whole profile: starts, replaces and keeps its instances and prunes those it no longer has
    plan_verb      start, stop, drain or restart named instances

A Plan holds, per node, the complete new desired instances and the generation that they replace, so applying
it is one compare-and-set per node. Instances of other profiles are carried over untouched.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from engines.devices import Slice
from profiles.model import Cordon, Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.status import Reason


class Action(StrEnum):
    KEEP = "keep"
    START = "start"
    STOP = "stop"
    DRAIN = "drain"
    REPLACE = "replace"
    LIVE = "live"
    """Changed without touching the process."""
    PRUNE = "prune"
    CORDON = "cordon"
    UNCORDON = "uncordon"


class Verb(StrEnum):
    """What a person may ask of running instances."""

    START = "start"
    STOP = "stop"
    STOP_NOW = "stop --now"
    DRAIN = "drain"
    RESTART = "restart"


class Change(msgspec.Struct, frozen=True):
    """One key of an instance, old → new, as text; "" where it was or will be absent."""

    key: str
    old: str
    new: str

    @property
    def restarts(self) -> bool:
        """Whether an engine has to start anew for it; InstanceSpec.launch_key has the same keys."""
        return self.key.split(".")[0] in _RESTARTS


_RESTARTS = frozenset({"engine", "model", "gpus", "port", "options", "env", "limits"})


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one instance; a cordon names what it is about instead: `GPU 3`, `the node`."""

    action: Action
    node: str
    instance: str
    changes: tuple[Change, ...] = ()
    not_enforced: dict[str, str] = {}
    """Limit → why the node cannot hold it."""
    slices: tuple[Slice, ...] = ()
    """What it starts on."""
    waits: Reason | None = None
    """Why it will not start at once."""


class GpuMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What instances are given of one GPU's memory; `allocatable_mib` None is unknown."""

    node: str
    gpu_index: int
    before_mib: int
    after_mib: int
    allocatable_mib: int | None


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The edit of one node's desired document. `profile_text` is the file that it comes from, for the record."""

    node: str
    expected_generation: int
    instances: dict[str, DesiredInstance]
    profile_text: str = ""
    cordons: dict[str, Cordon] | None = None
    """None leaves those that there are."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Steps to show, and edits to make. A plan with `blockers` is not applied."""

    title: str
    steps: tuple[Step, ...]
    nodes: tuple[NodePlan, ...]
    blockers: tuple[Reason, ...] = ()
    memory: tuple[GpuMemory, ...] = ()
    """Of the GPUs of which something else is given (profiles.room)."""

    @property
    def changes_anything(self) -> bool:
        return any(step.action is not Action.KEEP for step in self.steps)


def plan_profile(
    profile: str, wanted: Mapping[str, Iterable[InstanceSpec]], desired: Mapping[str, Desired], owner: str = ""
) -> Plan:
    """The plan that makes the nodes of `desired` run exactly `wanted` (node → specs) of `profile`.

    Nodes without a change are left out of `Plan.nodes`. A name that another profile owns is a blocker.
    """
    revision = 1 + max(
        (owned.revision for document in desired.values() for owned in document.instances.values()
         if owned.profile == profile),
        default=0,
    )  # fmt: skip
    steps: list[Step] = []
    edits: list[NodePlan] = []
    blockers: list[Reason] = []
    for node in sorted(desired):
        document = desired[node]
        specs = {spec.name: spec for spec in wanted.get(node, ())}
        instances: dict[str, DesiredInstance] = {}
        changed = False
        for name, owned in sorted(document.instances.items()):
            if owned.profile == profile and name not in specs:
                steps.append(Step(action=Action.PRUNE, node=node, instance=name))
                changed = True
            else:
                instances[name] = owned
        for name, spec in sorted(specs.items()):
            before = document.instances.get(name)
            if before is not None and before.profile != profile:
                text = f"{name} on {node} belongs to profile {before.profile}"
                blockers.append(Reason("owned", text, "rename the service, or take it out of that profile first"))
                continue
            step = step_between(node, before.spec if before else None, spec)
            steps.append(step)
            if step.action is not Action.KEEP:
                asked = before.spec.restarts_asked if before else 0
                kept = replace(spec, restarts_asked=asked)
                instances[name] = DesiredInstance(profile=profile, revision=revision, spec=kept, owner=owner)
                changed = True
        if changed:
            edits.append(NodePlan(node=node, expected_generation=document.generation, instances=instances))
    for node in sorted(set(wanted) - set(desired)):
        blockers.append(Reason("unreachable", f"{node} cannot be reached, so nothing can be placed there",
                               "bring the node back, or place the service elsewhere"))  # fmt: skip
    return Plan(title=f"{profile} r{revision}", steps=tuple(steps), nodes=tuple(edits), blockers=tuple(blockers))


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
        if spec == owned.spec:
            steps.append(Step(action=Action.KEEP, node=node, instance=name))
            continue
        steps.append(Step(action=action, node=node, instance=name, changes=changes(owned.spec, spec)))
        instances = new.setdefault(node, dict(desired[node].instances))
        instances[name] = replace(owned, spec=spec)
    edits = tuple(
        NodePlan(node=node, expected_generation=desired[node].generation, instances=new[node]) for node in sorted(new)
    )
    return Plan(title=str(verb), steps=tuple(steps), nodes=edits, blockers=tuple(blockers))


def changes(old: InstanceSpec | None, new: InstanceSpec) -> tuple[Change, ...]:
    """The keys in which two specs differ; options and env key by key, under their own names."""
    before = _flat(old) if old else {}
    after = _flat(new)
    keys = sorted(before.keys() | after.keys())
    return tuple(
        Change(key, _text(key, before.get(key)), _text(key, after.get(key)))
        for key in keys
        if before.get(key) != after.get(key)
    )


def step_between(node: str, before: InstanceSpec | None, spec: InstanceSpec) -> Step:
    """What it takes to come from one spec of an instance to another; restarts that were asked for do not count."""
    if before is None:
        idle = spec.wanted is Wanted.STOPPED
        return Step(action=Action.LIVE if idle else Action.START, node=node, instance=spec.name)
    kept = replace(spec, restarts_asked=before.restarts_asked)
    action = Action.KEEP if before == kept else _difference(before, kept)
    return Step(action=action, node=node, instance=spec.name, changes=changes(before, kept))


def _difference(before: InstanceSpec, after: InstanceSpec) -> Action:
    if before.wanted is not after.wanted and after.wanted is not Wanted.RUNNING:
        return Action.STOP if after.wanted is Wanted.STOPPED else Action.DRAIN
    if before.wanted is not Wanted.STOPPED and before.launch_key() != after.launch_key():
        return Action.REPLACE
    return Action.LIVE if before.wanted is after.wanted else Action.START


def _flat(spec: InstanceSpec) -> dict[str, object]:
    """Key → value. A value is only made into text to be shown: `1` and "1" differ."""
    plain: dict[str, object] = msgspec.to_builtins(spec)
    flat: dict[str, object] = {}
    for key, value in plain.items():
        if key in ("options", "env", "restart", "limits") and isinstance(value, dict):
            flat.update({f"{key}.{inner}": item for inner, item in value.items()})
        elif key == "slices":
            flat["gpus"] = spec.slices
        elif key != "restarts_asked":
            flat[key] = value
    return flat


def _text(key: str, value: object) -> str:
    if key == "gpus" and isinstance(value, tuple):
        return " ".join(_slice(held) for held in value)
    return "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _slice(held: Slice) -> str:
    return f"{held.gpu_index}({held.gpu_uuid}){f' {held.text()}' if held.text() else ''}"


def _started(spec: InstanceSpec) -> InstanceSpec:
    return replace(spec, wanted=Wanted.RUNNING, drain_s=None)


def _stopped(spec: InstanceSpec) -> InstanceSpec:
    return spec if spec.wanted is Wanted.STOPPED else replace(spec, wanted=Wanted.STOPPED, drain_s=None)


def _stopped_now(spec: InstanceSpec) -> InstanceSpec:
    """Also hurries a stop that is under way."""
    return replace(spec, wanted=Wanted.STOPPED, drain_s=0.0)


def _drained(spec: InstanceSpec) -> InstanceSpec:
    return spec if spec.wanted is Wanted.STOPPED else replace(spec, wanted=Wanted.DRAINED, drain_s=None)


def _restarted(spec: InstanceSpec) -> InstanceSpec:
    return replace(_started(spec), restarts_asked=spec.restarts_asked + 1)


_VERBS: dict[Verb, tuple[Callable[[InstanceSpec], InstanceSpec], Action]] = {
    Verb.START: (_started, Action.START),
    Verb.STOP: (_stopped, Action.STOP),
    Verb.STOP_NOW: (_stopped_now, Action.STOP),
    Verb.DRAIN: (_drained, Action.DRAIN),
    Verb.RESTART: (_restarted, Action.REPLACE),
}
