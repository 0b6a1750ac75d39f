"""Where each replica runs: services as people wrote them → one InstanceSpec per replica and node. Pure.

GPUs are given whole: the devices of a service, in the order of its list, are shared out evenly among its
replicas, and all devices of one replica are on one node. Two services may name the same GPU; one service may
not name it twice. The order of nodes and of services does not matter.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engines.devices import Slice
from profiles.cordon import refusal
from profiles.model import Desired, InstanceSpec, Profile, Service
from profiles.status import GpuReading, GpuState, NodeStatus

_NOTHING_DESIRED: Mapping[str, Desired] = {}


class Unplaceable(msgspec.Struct, frozen=True):
    """A service that cannot run as it is written: why, and what to do about it."""

    service: str
    reason: str
    hint: str = ""


class Placement(msgspec.Struct, frozen=True):
    """Instances per node, sorted by name. A service in `unplaceable` has none of its replicas in `specs`."""

    specs: dict[str, tuple[InstanceSpec, ...]]
    unplaceable: tuple[Unplaceable, ...] = ()


class _Refused(Exception):
    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def place(
    profile: Profile, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired] = _NOTHING_DESIRED
) -> Placement:
    """Put every replica of `profile` on one of `nodes`. Never raises; what does not fit is in `unplaceable`.

    `desired` says what is there already, and what is cordoned: nothing new is placed there.
    """
    specs: dict[str, list[InstanceSpec]] = {}
    unplaceable: list[Unplaceable] = []
    for name, service in sorted(profile.services.items()):
        try:
            spots = _spots(service, nodes)
            placed = [(node, _spec(profile, name, number, slices)) for number, (node, slices) in enumerate(spots)]
            _check_open(placed, nodes, desired)
        except _Refused as refused:
            unplaceable.append(Unplaceable(name, refused.reason, refused.hint))
            continue
        for node, spec in placed:
            specs.setdefault(node, []).append(spec)
    ordered = {node: tuple(sorted(found, key=lambda spec: spec.name)) for node, found in sorted(specs.items())}
    return Placement(ordered, tuple(unplaceable))


def _check_open(
    placed: Iterable[tuple[str, InstanceSpec]], nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired]
) -> None:
    """Nothing new where it is cordoned, or where the agent of another user has given the GPU away."""
    for node, spec in placed:
        document = desired.get(node, Desired())
        if why := refusal(document.cordons, document.instances.get(spec.name), spec):
            raise _Refused(f"{node}: {why.text}", why.hint)
        before = document.instances.get(spec.name)
        taken = set(spec.gpus()) - set(before.spec.gpus() if before else ())
        for gpu in nodes[node].gpus:
            if gpu.claims and gpu.uuid in taken:
                claim = gpu.claims[0]
                reason = f"GPU {node}/{gpu.index} is claimed by the agent of {claim.user} for {claim.instance}"
                raise _Refused(reason, f"choose another, or ask {claim.user}")


def _spec(profile: Profile, name: str, number: int, slices: tuple[Slice, ...]) -> InstanceSpec:
    service = profile.services[name]
    return InstanceSpec(
        name=f"{name}/{number}",
        service=name,
        engine=service.engine or profile.defaults.engine or "",
        model=service.model,
        slices=slices,
        port=None if service.port is None else service.port + number,
        options=service.options,
        env=service.env,
        limits=service.resources.limits(),
        restart=(service.restart or profile.defaults.restart).rule(),
    )


def _spots(service: Service, nodes: Mapping[str, NodeStatus]) -> list[tuple[str, tuple[Slice, ...]]]:
    """Node and slices of each replica, in order."""
    if not nodes:
        raise _Refused("no node is up", "bring a node back, then plan again")
    if service.gpus is None:
        return [(_only_node(service, nodes), ())] * service.replicas
    devices = service.gpus.devices
    twice = sorted({device for device in devices if devices.count(device) > 1})
    if twice:
        raise _Refused(f"{twice[0]} is listed twice", "list each device once")
    if not devices or len(devices) % service.replicas:
        reason = f"{len(devices)} devices cannot be shared out evenly among {service.replicas} replicas"
        raise _Refused(reason, f"list a multiple of {service.replicas} devices, or change `replicas`")
    each = len(devices) // service.replicas
    return [_share(service, devices[start : start + each], nodes) for start in range(0, len(devices), each)]


def _only_node(service: Service, nodes: Mapping[str, NodeStatus]) -> str:
    wanted = service.place.nodes
    if wanted is None and len(nodes) > 1:
        raise _Refused("there are several nodes and none is named", f"add `place: {{nodes: {min(nodes)}}}`")
    node = min(nodes) if wanted is None else wanted
    _known(node, nodes)
    return node


def _share(
    service: Service, devices: tuple[str, ...], nodes: Mapping[str, NodeStatus]
) -> tuple[str, tuple[Slice, ...]]:
    """The node and slices that one replica has of its `devices`."""
    homes = sorted({device.partition("/")[0] for device in devices})
    for node in homes:
        _known(node, nodes)
    if len(homes) > 1:
        reason = f"one replica would have GPUs on {' and '.join(homes)}"
        raise _Refused(reason, "list the devices so that each replica's are on one node")
    node = homes[0]
    if service.place.nodes not in (None, node):
        raise _Refused(f"its GPUs are on {node}, its place is {service.place.nodes}", "leave `place` out")
    return node, tuple(_slice(node, device.partition("/")[2], nodes[node]) for device in devices)


def _slice(node: str, index: str, status: NodeStatus) -> Slice:
    gpu = next((gpu for gpu in status.gpus if str(gpu.index) == index), None)
    if gpu is None:
        raise _Refused(f"{node} has no GPU {index}", _there_are(node, status.gpus))
    if gpu.state is GpuState.LOST:
        raise _Refused(f"GPU {node}/{index} is lost", "choose another, or see why in the events of the node")
    return Slice(gpu_uuid=gpu.uuid, gpu_index=gpu.index)


def _there_are(node: str, gpus: tuple[GpuReading, ...]) -> str:
    if not gpus:
        return f"{node} reports no GPUs; leave `gpus` out to use the CPU"
    return f"{node} has {', '.join(str(index) for index in sorted(gpu.index for gpu in gpus))}"


def _known(node: str, nodes: Mapping[str, NodeStatus]) -> None:
    if node not in nodes:
        raise _Refused(f"no node {node} is up", f"up: {', '.join(sorted(nodes))}")
