"""What a plan asks of nodes that they cannot hold: told in its steps, before anybody agrees."""

from collections.abc import Mapping

from msgspec.structs import replace

from profiles.observed.isolation import NodeIsolation, agreement
from profiles.plans.plan import STARTS, Plan, Step


def with_shortfall(plan: Plan, nodes: Mapping[str, NodeIsolation | None]) -> Plan:
    """Each start with the limits that its node will not enforce; a node that says nothing is not judged."""
    wanted = {(edit.node, name): owned.spec for edit in plan.nodes for name, owned in edit.instances.items()}

    def told(step: Step) -> Step:
        node, spec = nodes.get(step.node), wanted.get((step.node, step.instance))
        if node is None or spec is None or step.action not in STARTS:
            return step
        return replace(step, not_enforced=agreement(spec.limits, node).not_enforced)

    return replace(plan, steps=tuple(told(step) for step in plan.steps))
