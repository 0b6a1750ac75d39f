"""What plans are made of: what the nodes that answer have said, and what there is to say of those that do not."""

from console.inventory import labels_of
from console.store import NodeView, Store
from profiles.desired.model import Desired
from profiles.observed.status import NodeStatus, Reason
from profiles.plans.effects import with_effects
from profiles.plans.plan import Plan
from profiles.plans.room import with_room
from profiles.plans.shortfall import with_shortfall


def desired(store: Store) -> dict[str, Desired]:
    return {name: view.desired for name, view in store.nodes.items() if view.counted}


def labels(store: Store) -> dict[str, dict[str, str]]:
    """Of every node."""
    return {name: labels_of(view) for name, view in store.nodes.items()}


def statuses(store: Store) -> dict[str, NodeStatus]:
    found = {name: view.observed() for name, view in store.nodes.items() if view.counted}
    return {name: status for name, status in found.items() if status is not None}


def told(plan: Plan, store: Store) -> Plan:
    """With the room that there is for it, what it does to whom, and what a node cannot hold."""
    now, there = desired(store), statuses(store)
    plan = with_effects(with_room(plan, now, there), now, there)
    return with_shortfall(plan, {name: status.isolation for name, status in there.items()})


def unseen(store: Store, profile: str) -> tuple[Reason, ...]:
    """Nodes that do not answer and had instances of `profile` when they last did: a second copy would be placed."""
    had = {
        view.name: sorted(name for name, owned in view.desired.instances.items() if owned.profile == profile)
        for view in store.nodes.values() if not view.counted
    }  # fmt: skip
    hint = "bring it back, or take it out of the inventory if it is gone for good"
    return tuple(
        Reason("unseen", f"{node} does not answer and may still run {', '.join(names)}", hint)
        for node, names in had.items() if names
    )  # fmt: skip


def unreachable(view: NodeView) -> Reason:
    """Why nothing is planned there."""
    if view.why is None:
        return Reason("unreachable", f"{view.name} is {view.state}", "wait until it is up")
    return Reason("unreachable", f"{view.name}: {view.why.text}", view.why.hint)
