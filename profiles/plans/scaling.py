"""More or fewer replicas of a service than its profile says, until the next apply. Pure.

fewer   those with the highest numbers go          more   the lowest free numbers, each placed like a new replica
"""

from collections.abc import Mapping

from msgspec.structs import replace

from engines import registry
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, PlaceRequest, Profile, Wanted
from profiles.files.load import MAX_REPLICAS
from profiles.observed.status import NodeStatus, Reason
from profiles.placing.choice import Chooser
from profiles.placing.cluster import Cluster, Labels
from profiles.placing.likeness import ANYWHERE, service_like
from profiles.placing.refused import Refused
from profiles.plans.edit_plan import Edit, plan_edits
from profiles.plans.plan import Plan

Replica = tuple[str, DesiredInstance]
"""With the node that it is on."""


def plan_scale(
    profile: str,
    service: str,
    replicas: int,
    nodes: Mapping[str, NodeStatus],
    desired: Mapping[str, Desired],
    labels: Labels,
    place: PlaceRequest = ANYWHERE,
) -> Plan:
    """New replicas are like the first that there is. `place` is what the profile says of it."""
    title = f"scale {service} to {replicas}"
    there = _replicas(profile, service, desired)
    if not 1 <= replicas <= MAX_REPLICAS:
        hint = f"`gpuyard stop {service}` keeps it for later, `gpuyard down` takes it away" if replicas < 1 else ""
        return _refused(title, Reason("invalid", f"a service has 1 to {MAX_REPLICAS} replicas, not {replicas}", hint))
    if not there:
        return _refused(title, Reason("not_found", f"no service is called {service}", "see `gpuyard services`"))
    try:
        edits = _fewer(there, replicas) if replicas <= len(there) else _more(
            service, there, replicas, Cluster(_profile(service, there), nodes, desired, labels, prunes=False), place
        )  # fmt: skip
    except Refused as refused:
        return _refused(title, Reason("unplaceable", f"{service}: {refused.reason}", refused.hint))
    return plan_edits(title, edits, desired)


def _replicas(profile: str, service: str, desired: Mapping[str, Desired]) -> dict[int, Replica]:
    found = {
        int(name.rpartition("/")[2]): (node, owned)
        for node, document in desired.items()
        for name, owned in document.instances.items()
        if (owned.profile, owned.spec.service) == (profile, service)
    }
    return dict(sorted(found.items()))


def _profile(service: str, there: Mapping[int, Replica]) -> Profile:
    """With all numbers up to the highest, so that none of them counts as on its way out."""
    _, first = next(iter(there.values()))
    like = replace(service_like(first.spec, {}), replicas=max(there) + 1)
    return Profile(1, first.profile, {service: like})


def _fewer(there: Mapping[int, Replica], replicas: int) -> list[Edit]:
    gone = sorted(there)[replicas:]
    return [Edit(node=node, instance=owned.spec.name, owned=None if number in gone else owned)
            for number, (node, owned) in there.items()]  # fmt: skip


def _more(
    service: str, there: Mapping[int, Replica], replicas: int, cluster: Cluster, place: PlaceRequest
) -> list[Edit]:
    first, (_, owned) = next(iter(there.items()))
    boards = {gpu.uuid: gpu.name for status in cluster.nodes.values() for gpu in status.gpus}
    chooser = Chooser(
        cluster, service, service_like(owned.spec, boards, place), registry.get(owned.spec.engine), {}
    )  # fmt: skip
    edits = [Edit(node=node, instance=one.spec.name, owned=one) for node, one in there.values()]
    free = (number for number in range(max(there) + replicas + 1) if number not in there)
    for number, _ in zip(free, range(replicas - len(there)), strict=False):
        found = chooser.choose()
        spec = _numbered(owned.spec, first, number, service)
        cluster.book(found.node, spec.name, found.slices)
        edits.append(
            Edit(node=found.node, instance=spec.name, owned=replace(owned, spec=replace(spec, slices=found.slices)))
        )
    return edits


def _numbered(spec: InstanceSpec, old: int, new: int, service: str) -> InstanceSpec:
    port = None if spec.port is None else spec.port - old + new
    return replace(
        spec, name=f"{service}/{new}", port=port, wanted=Wanted.RUNNING, restarts_asked=0, drain_s=None
    )  # fmt: skip


def _refused(title: str, reason: Reason) -> Plan:
    return Plan(title=title, steps=(), nodes=(), blockers=(reason,))
