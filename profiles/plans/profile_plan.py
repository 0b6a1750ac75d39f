"""The plan that makes nodes run a whole profile. Pure.

in the profile, not on the node ──► start       on the node, no longer in the profile ──► prune
both of one name, on two nodes  ──► move        on both ──► keep, live, replace, … (profiles.plans.difference)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.observed.status import Reason
from profiles.plans.difference import changes, step_between
from profiles.plans.plan import Action, NodePlan, Plan, Step


def plan_profile(
    profile: str,
    wanted: Mapping[str, Iterable[InstanceSpec]],
    desired: Mapping[str, Desired],
    owner: str = "",
    *,
    unplaced: Collection[str] = (),
) -> Plan:
    """The plan that makes the nodes of `desired` run exactly `wanted` (node → specs) of `profile`.

    Nodes without a change are left out of `Plan.nodes`. A name that another profile owns is a blocker. Services that
    are wanted and `unplaced` keep what they have: no place for all of it is no reason to take some away.
    """
    revision = 1 + max(
        (owned.revision for document in desired.values() for owned in document.instances.values()
         if owned.profile == profile),
        default=0,
    )  # fmt: skip
    by = _By(profile, revision, owner, frozenset(unplaced))
    found = [_on_node(node, desired[node], wanted.get(node, ()), by) for node in sorted(desired)]
    blockers = [blocker for one in found for blocker in one.blockers]
    for node in sorted(set(wanted) - set(desired)):
        blockers.append(Reason("unreachable", f"{node} cannot be reached, so nothing can be placed there",
                               "bring the node back, or place the service elsewhere"))  # fmt: skip
    return Plan(
        title=f"{profile} r{revision}",
        steps=_with_moves(found, desired),
        nodes=tuple(one.edit for one in found if any(step.action is not Action.KEEP for step in one.steps)),
        blockers=tuple(blockers),
    )


class _By(msgspec.Struct, frozen=True):
    """Whose the instances are; of `unplaced` services they stay as they are."""

    profile: str
    revision: int
    owner: str
    unplaced: frozenset[str]


class _OnNode(msgspec.Struct, frozen=True):
    edit: NodePlan
    steps: tuple[Step, ...]
    blockers: tuple[Reason, ...]


def _on_node(node: str, document: Desired, wanted: Iterable[InstanceSpec], by: _By) -> _OnNode:
    specs = {spec.name: spec for spec in wanted}
    ours = [(name, owned.spec) for name, owned in document.instances.items() if owned.profile == by.profile]
    gone = [name for name, spec in ours if name not in specs and spec.service not in by.unplaced]
    instances = {name: owned for name, owned in document.instances.items() if name not in gone}
    steps = [Step(action=Action.PRUNE, node=node, instance=name) for name in sorted(gone)]
    blockers = []
    for name, spec in sorted(specs.items()):
        before = document.instances.get(name)
        if before is not None and before.profile != by.profile:
            text = f"{name} on {node} belongs to profile {before.profile}"
            blockers.append(Reason("owned", text, "rename the service, or take it out of that profile first"))
            continue
        step = step_between(node, before.spec if before else None, spec)
        steps.append(step)
        if step.action is not Action.KEEP:
            kept = replace(spec, restarts_asked=before.spec.restarts_asked if before else 0)
            instances[name] = DesiredInstance(profile=by.profile, revision=by.revision, spec=kept, owner=by.owner)
    edit = NodePlan(node=node, expected_generation=document.generation, instances=instances)
    return _OnNode(edit, tuple(steps), tuple(blockers))


def _with_moves(found: Sequence[_OnNode], desired: Mapping[str, Desired]) -> tuple[Step, ...]:
    """What is pruned on one node and starts under its name on another is one step."""
    steps = [(step, one.edit.instances) for one in found for step in one.steps]
    came = {step.instance: step.node for step, _ in reversed(steps) if step.action is Action.START}
    left = {step.instance: step.node for step, _ in reversed(steps)
            if step.action is Action.PRUNE and step.instance in came}  # fmt: skip
    shown = []
    for step, instances in steps:
        name, at = step.instance, (step.instance, step.node)
        if name in left and at == (name, came[name]) and step.action is Action.START:
            old = desired[left[name]].instances[name].spec
            keys = changes(old, instances[name].spec)
            shown.append(replace(step, action=Action.MOVE, from_node=left[name], changes=keys))
        elif name not in left or at != (name, left[name]):
            shown.append(step)
    return tuple(shown)
