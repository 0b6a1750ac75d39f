"""The plan of edits of single instances: changed where they are, moved, added, taken off. Pure.

They keep the revision that they have: an edit by hand makes no revision, and the next apply shows it as reverted.
"""

from collections.abc import Iterable, Mapping

import msgspec

from profiles.desired.model import Desired, DesiredInstance
from profiles.plans.difference import changes, step_between
from profiles.plans.plan import Action, NodePlan, Plan, Step


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """`owned` None takes it off `node`; `from_node` is where a move comes from, `node` itself for other GPUs there."""

    node: str
    instance: str
    owned: DesiredInstance | None
    from_node: str = ""


def plan_edits(title: str, edits: Iterable[Edit], desired: Mapping[str, Desired]) -> Plan:
    """Nodes without a change are left out of `Plan.nodes`."""
    steps: list[Step] = []
    new: dict[str, dict[str, DesiredInstance]] = {}
    for edit in edits:
        step = _step(edit, desired)
        steps.append(step)
        if step.action is Action.KEEP:
            continue
        for node in step.nodes:
            instances = new.setdefault(node, dict(desired[node].instances))
            instances.pop(edit.instance, None)
            if edit.owned is not None and node == edit.node:
                instances[edit.instance] = edit.owned
    nodes = tuple(
        NodePlan(node=node, expected_generation=desired[node].generation, instances=new[node]) for node in sorted(new)
    )
    return Plan(title=title, steps=tuple(steps), nodes=nodes)


def _step(edit: Edit, desired: Mapping[str, Desired]) -> Step:
    if edit.owned is None:
        return Step(action=Action.PRUNE, node=edit.node, instance=edit.instance)
    spec = edit.owned.spec
    if edit.from_node and edit.from_node != edit.node:
        before = desired[edit.from_node].instances[edit.instance].spec
        return Step(action=Action.MOVE, node=edit.node, from_node=edit.from_node, instance=edit.instance,
                    changes=changes(before, spec))  # fmt: skip
    there = desired[edit.node].instances.get(edit.instance)
    return step_between(edit.node, there.spec if there else None, spec)
