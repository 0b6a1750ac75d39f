"""Applying a profile renews the leases of it that end soon or are over, as steps of the plan. Pure."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from profiles.desired.lease import LeaseState, in_words, state
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.plans.plan import Action, Change, NodePlan, Plan, Step

_RENEWED = frozenset({LeaseState.ENDS_SOON, LeaseState.OVER})


def with_renewals(
    plan: Plan, profile: str, wanted: Mapping[str, Iterable[InstanceSpec]], desired: Mapping[str, Desired],
    now_unix_s: Mapping[str, float],
) -> Plan:  # fmt: skip
    """`plan` of `profile` with what it renews; before its last days a lease is left as it is.

    `now_unix_s` is each node's own clock.
    """
    had = _leased(profile, wanted, desired)
    due = {at: one for at, one in had.items() if at[0] in now_unix_s and state(one, now_unix_s[at[0]]) in _RENEWED}
    steps = tuple(_renewing(step, due.get((step.node, step.instance)), now_unix_s) for step in plan.steps)
    edits = {edit.node: edit for edit in plan.nodes}
    for node, name in sorted(had):
        if (node, name) not in due and node not in edits:
            continue
        edit = edits.get(node) or _unchanged(node, desired[node])
        ends = had[node, name].lease_ends_at_unix_s
        one = replace(edit.instances[name], lease_ends_at_unix_s=ends, renews_lease=(node, name) in due)
        edits[node] = replace(edit, instances={**edit.instances, name: one})
    return replace(plan, steps=steps, nodes=tuple(edits[node] for node in sorted(edits)))


def _leased(
    profile: str, wanted: Mapping[str, Iterable[InstanceSpec]], desired: Mapping[str, Desired]
) -> dict[tuple[str, str], DesiredInstance]:
    """By where it is to be: what has the same lease now, on that node or, where it moves, on another."""
    before = {
        (node, name): owned
        for node, document in desired.items() for name, owned in document.instances.items()
        if owned.profile == profile and owned.spec.lease_s is not None
    }  # fmt: skip
    anywhere = {name: owned for (_, name), owned in sorted(before.items(), reverse=True)}
    found = {}
    for node, specs in wanted.items():
        for spec in specs:
            owned = before.get((node, spec.name)) or anywhere.get(spec.name)
            if owned is not None and owned.spec.lease_s == spec.lease_s and node in desired:
                found[node, spec.name] = owned
    return found


def _renewing(step: Step, before: DesiredInstance | None, now_unix_s: Mapping[str, float]) -> Step:
    if before is None:
        return step
    action = Action.LIVE if step.action is Action.KEEP else step.action
    change = Change("lease", in_words(before, now_unix_s[step.node]).removeprefix("lease "), "begins anew")
    return replace(step, action=action, changes=(*step.changes, change))


def _unchanged(node: str, document: Desired) -> NodePlan:
    return NodePlan(node=node, expected_generation=document.generation, instances=dict(document.instances))
