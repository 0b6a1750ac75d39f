"""What people changed by hand since a profile was applied, and a plan takes back: shown, not overwritten unseen. Pure.

Each edit keeps the revision of the instances that it changes; only applying a profile gives them another one. So the
oldest kept document in which an instance has the revision of now is how it was applied.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.plans.difference import changes
from profiles.plans.plan import Plan, Step

Instances = Mapping[str, DesiredInstance]
"""Of a desired document."""


def is_of(document: Instances, now: Instances, instance: str) -> bool:
    """Whether `document` has `instance` by the same profile and revision as `now`."""
    before, owned = document.get(instance), now.get(instance)
    return (
        before is not None
        and owned is not None
        and (before.profile, before.revision) == (owned.profile, owned.revision)
    )


def with_reverted(plan: Plan, applied: Mapping[tuple[str, str], InstanceSpec], desired: Mapping[str, Desired]) -> Plan:
    """`plan` with the keys marked that are not as they were `applied`, by (node, instance)."""

    def told(step: Step) -> Step:
        node = step.from_node or step.node
        was = applied.get((node, step.instance))
        now = desired[node].instances.get(step.instance) if node in desired else None
        if was is None or now is None or not step.changes:
            return step
        by_hand = {change.key for change in changes(was, now.spec)}
        return replace(step, changes=tuple(replace(change, by_hand=change.key in by_hand) for change in step.changes))

    return replace(plan, steps=tuple(told(step) for step in plan.steps))
