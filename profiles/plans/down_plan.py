"""The plan that takes a profile, some of it, or what has no lease any more off the nodes. Pure."""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from profiles.desired.model import Desired
from profiles.plans.plan import Action, NodePlan, Plan, Step
from profiles.plans.profile_plan import plan_profile


def plan_down(profile: str, targets: Collection[tuple[str, str]], desired: Mapping[str, Desired]) -> Plan:
    """Takes `targets`, (node, instance) pairs, off their nodes and keeps the rest of `profile`."""
    kept = {
        node: [
            owned.spec
            for name, owned in document.instances.items()
            if owned.profile == profile and (node, name) not in targets
        ]
        for node, document in desired.items()
    }
    return replace(plan_profile(profile, kept, desired), title=f"down {profile}")


def plan_expired(expired: Mapping[str, Collection[tuple[str, str]]], desired: Mapping[str, Desired]) -> Plan:
    """Takes the `expired` (node, instance) pairs of each profile off their nodes, and nothing else."""
    gone = sorted(target for targets in expired.values() for target in targets)
    edits = []
    for node in sorted({node for node, _ in gone}):
        kept = {name: owned for name, owned in desired[node].instances.items() if (node, name) not in gone}
        edits.append(NodePlan(node=node, expected_generation=desired[node].generation, instances=kept))
    steps = tuple(Step(action=Action.PRUNE, node=node, instance=name) for node, name in gone)
    return Plan(title="down --expired", steps=steps, nodes=tuple(edits))
