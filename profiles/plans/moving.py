"""Instances to other GPUs, of their node or of another: where each goes, and the plan. Pure."""

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from engines import registry
from engines.base import BadOptions
from engines.fitting import fitted
from profiles.desired.model import Desired, DesiredInstance, PlaceRequest, Profile, Wanted
from profiles.observed.status import NodeStatus, Reason
from profiles.placing.choice import Chooser
from profiles.placing.cluster import Cluster, Labels
from profiles.placing.likeness import ANYWHERE, service_like
from profiles.placing.offers import Kind, Offers
from profiles.placing.refused import Refused
from profiles.plans.cordon_plan import Place, plan_cordon
from profiles.plans.edit_plan import Edit, plan_edits
from profiles.plans.plan import Plan

Target = tuple[str, str]
"""(node, instance)"""

Places = Mapping[tuple[str, str], PlaceRequest]
"""What a profile says of a service, by their names."""

_NOWHERE_SAID: Places = {}


def plan_move(
    title: str,
    targets: Sequence[Target],
    nodes: Mapping[str, NodeStatus],
    desired: Mapping[str, Desired],
    labels: Labels,
    places: Places = _NOWHERE_SAID,
    to: Mapping[str, frozenset[str]] | None = None,
    but: Collection[str] = (),
) -> Plan:
    """The larger first. `to` is node → the UUIDs of GPUs there that may be used; without it, any other node
    `but` these, by what `places` says. What finds no place is a blocker."""
    boards = {gpu.uuid: gpu.name for status in nodes.values() for gpu in status.gpus}
    moving = _Moving(
        _open({*but, *(node for node, _ in targets)}, nodes, to),
        desired,
        labels,
        _NOWHERE_SAID if to else places,
        boards,
    )
    edits: list[Edit] = []
    blockers: list[Reason] = []
    known = [target for target in targets if target[1] in desired[target[0]].instances]
    for node, name in known:
        moving.cluster.vacate(node, name)
    for node, name in sorted(known, key=lambda target: _order(desired[target[0]].instances[target[1]])):
        try:
            edits.append(moving.edit(node, name))
        except Refused as refused:
            blockers.append(Reason("unplaceable", f"{name}: {refused.reason}", refused.hint))
    blockers += [Reason("not_found", f"no instance {name} on {node}", "see `gpuyard instances`")
                 for node, name in targets if (node, name) not in known]  # fmt: skip
    return replace(plan_edits(title, edits, desired), blockers=tuple(blockers))


def plan_drain(
    drained: Sequence[str],
    nodes: Mapping[str, NodeStatus],
    desired: Mapping[str, Desired],
    labels: Labels,
    places: Places = _NOWHERE_SAID,
    reason: str = "",
) -> Plan:
    """Nothing new on the `drained` nodes, and all that should run there runs elsewhere. What is stopped stays."""
    targets = [
        (node, name)
        for node in drained
        for name, owned in desired[node].instances.items()
        if owned.spec.wanted is not Wanted.STOPPED
    ]
    cordoned = plan_cordon([Place(node) for node in drained], desired, reason=reason)
    moved = plan_move(f"drain {' '.join(drained)}", targets, nodes, desired, labels, places, but=drained)
    cordons = {edit.node: edit for edit in cordoned.nodes}
    edits = {edit.node: edit for edit in moved.nodes}
    both = cordons | {
        node: replace(edit, cordons=cordons[node].cordons) if node in cordons else edit for node, edit in edits.items()
    }
    steps = (*cordoned.steps, *moved.steps)
    return replace(moved, steps=steps, nodes=tuple(both[node] for node in sorted(both)))


def _open(
    left: Collection[str], nodes: Mapping[str, NodeStatus], to: Mapping[str, frozenset[str]] | None
) -> dict[str, NodeStatus]:
    """The nodes that they may go to, with the GPUs that they may use."""
    if to is None:
        return {node: status for node, status in nodes.items() if node not in left}
    return {
        node: replace(nodes[node], gpus=tuple(gpu for gpu in nodes[node].gpus if gpu.uuid in uuids))
        for node, uuids in to.items()
        if node in nodes
    }


def _order(owned: DesiredInstance) -> tuple[object, ...]:
    spec = owned.spec
    size = sum(part.memory_mib or 0 for part in spec.slices)
    return -spec.priority, -len(spec.slices), any(not part.whole for part in spec.slices), -size, spec.name


class _Moving:
    """Where what is moved may go, with what was moved before it."""

    def __init__(
        self, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired], labels: Labels, places: Places,
        boards: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._desired, self._places, self._boards = desired, places, boards
        self.cluster = Cluster(Profile(1, "", {}), nodes, desired, labels, prunes=False)
        self._known: dict[Kind, Offers] = {}

    def edit(self, node: str, name: str) -> Edit:
        """Raises Refused."""
        owned = self._desired[node].instances[name]
        spec = owned.spec
        place = self._places.get((owned.profile, spec.service), ANYWHERE)
        engine = registry.get(spec.engine)
        service = service_like(spec, self._boards, place)
        found = Chooser(self.cluster, spec.service, service, engine, self._known).choose()
        try:
            fitted(engine, spec.options, found.slices)
        except BadOptions as error:
            raise Refused(error.message, error.hint) from None
        if found.node != node and name in self._desired[found.node].instances:
            raise Refused(f"{found.node} has an instance of that name", "move that one first")
        self.cluster.book(found.node, name, found.slices)
        moved = replace(owned, spec=replace(spec, slices=found.slices))
        return Edit(node=found.node, instance=name, owned=moved, from_node=node)
