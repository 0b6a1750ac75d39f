"""Where each replica runs: services as people wrote them → one InstanceSpec per replica and node. Pure.

The devices of a service, in the order of its list, are shared out evenly among its replicas, and all devices of one
replica are on one node. How much of each a replica gets is worked out in profiles.share, and whether there is room
for it in profiles.room. The order of nodes and of services does not matter.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engines import registry
from engines.base import BadOptions
from engines.devices import ShareMode, Slice
from engines.fitting import fitted
from profiles.account import Held
from profiles.cordon import refusal
from profiles.gpu_request import GpuRequest
from profiles.model import Desired, InstanceSpec, Profile, Service
from profiles.priority import priority
from profiles.share import NoPart, part_of
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
    profile: Profile,
    nodes: Mapping[str, NodeStatus],
    desired: Mapping[str, Desired] = _NOTHING_DESIRED,
    *,
    prunes: bool = True,
) -> Placement:
    """Put every replica of `profile` on one of `nodes`. Never raises; what does not fit is in `unplaceable`.

    `desired` says what is there already, and what is cordoned: nothing new is placed there. With `prunes`, instances
    that the profile no longer has are on their way out.
    """
    specs: dict[str, list[InstanceSpec]] = {}
    unplaceable: list[Unplaceable] = []
    for name in sorted(profile.services):
        try:
            placed = _placed(profile, name, nodes, desired, specs, prunes=prunes)
        except _Refused as refused:
            unplaceable.append(Unplaceable(name, refused.reason, refused.hint))
            continue
        for node, spec in placed:
            specs.setdefault(node, []).append(spec)
    ordered = {node: tuple(sorted(found, key=lambda spec: spec.name)) for node, found in sorted(specs.items())}
    return Placement(ordered, tuple(unplaceable))


def _placed(
    profile: Profile, name: str, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired],
    specs: Mapping[str, list[InstanceSpec]], *, prunes: bool,
) -> list[tuple[str, InstanceSpec]]:  # fmt: skip
    """The replicas of one service, beside `specs`."""
    service, placed = profile.services[name], list[tuple[str, InstanceSpec]]()
    beside: dict[str, dict[str, tuple[Slice, ...]]] = {}
    for number, (node, gpus) in enumerate(_spots(service, nodes)):
        document = desired.get(node, Desired())
        if node not in beside:
            stays = {
                other: owned.spec.slices
                for other, owned in document.instances.items()
                if not (prunes and owned.profile == profile.profile and owned.spec.service not in profile.services)
            }
            beside[node] = stays | {spec.name: spec.slices for spec in specs.get(node, ())}
        mine = beside[node].pop(f"{name}/{number}", ())
        spec = _spec(profile, name, number, _slices(profile, service, node, gpus, mine, beside[node]))
        if why := refusal(document.cordons, document.instances.get(spec.name), spec):
            raise _Refused(f"{node}: {why.text}", why.hint)
        beside[node][spec.name] = spec.slices
        placed.append((node, spec))
    return placed


def _slices(
    profile: Profile, service: Service, node: str, gpus: Iterable[GpuReading], mine: Iterable[Slice], others: Held
) -> tuple[Slice, ...]:
    """The parts of `gpus` that one replica has; `mine` are those that it had."""
    before = {part.gpu_uuid: part for part in mine}
    engine, share = (
        registry.get(service.engine or profile.defaults.engine or ""),
        (service.gpus or GpuRequest()).share(),
    )
    found = []
    for gpu in gpus:
        part = part_of(share, gpu, engine, before.get(gpu.uuid), others)
        if isinstance(part, NoPart):
            raise _Refused(f"{node}: {part.reason}", part.hint)
        found.append(part)
    if len(found) > 1 and found[0].share_mode is ShareMode.MPS:
        raise _Refused("by MPS an engine has a part of one GPU, not of several", "list one device for each replica")
    try:
        fitted(engine, service.options, found)
    except BadOptions as error:
        raise _Refused(error.message, error.hint) from None
    return tuple(found)


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
        priority=priority(service.priority),
        slo=service.slo.slo(service.replicas),
        canary_every_s=service.canary.every_s() if service.canary else None,
    )


def _spots(service: Service, nodes: Mapping[str, NodeStatus]) -> list[tuple[str, tuple[GpuReading, ...]]]:
    """Node and GPUs of each replica, in order."""
    if not nodes:
        raise _Refused("no node is up", "bring a node back, then plan again")
    if service.gpus is None:
        return [(_only_node(service, nodes), ())] * service.replicas
    devices = service.gpus.devices
    twice = sorted({device for device in devices if devices.count(device) > 1})
    if twice and service.gpus.share().whole:
        raise _Refused(f"{twice[0]} is listed twice", "list each device once")
    if not devices or len(devices) % service.replicas:
        reason = f"{len(devices)} devices cannot be shared out evenly among {service.replicas} replicas"
        raise _Refused(reason, f"list a multiple of {service.replicas} devices, or change `replicas`")
    each = len(devices) // service.replicas
    return [_group(service, devices[start : start + each], nodes) for start in range(0, len(devices), each)]


def _only_node(service: Service, nodes: Mapping[str, NodeStatus]) -> str:
    wanted = service.place.nodes
    if wanted is None and len(nodes) > 1:
        raise _Refused("there are several nodes and none is named", f"add `place: {{nodes: {min(nodes)}}}`")
    node = min(nodes) if wanted is None else wanted
    _known(node, nodes)
    return node


def _group(
    service: Service, devices: tuple[str, ...], nodes: Mapping[str, NodeStatus]
) -> tuple[str, tuple[GpuReading, ...]]:
    """The node and GPUs that one replica has by its `devices`."""
    homes = sorted({device.partition("/")[0] for device in devices})
    for node in homes:
        _known(node, nodes)
    if len(homes) > 1:
        reason = f"one replica would have GPUs on {' and '.join(homes)}"
        raise _Refused(reason, "list the devices so that each replica's are on one node")
    if len(set(devices)) < len(devices):
        raise _Refused(f"one replica would have two parts of {devices[0]}", "ask for one larger part")
    if len(devices) > 1 and service.gpus and service.gpus.mig:
        raise _Refused("one engine uses one MIG device, not several", "list one device for each replica")
    node = homes[0]
    if service.place.nodes not in (None, node):
        raise _Refused(f"its GPUs are on {node}, its place is {service.place.nodes}", "leave `place` out")
    return node, tuple(_gpu(node, device.partition("/")[2], nodes[node]) for device in devices)


def _gpu(node: str, index: str, status: NodeStatus) -> GpuReading:
    gpu = next((gpu for gpu in status.gpus if str(gpu.index) == index), None)
    if gpu is None:
        raise _Refused(f"{node} has no GPU {index}", _there_are(node, status.gpus))
    if gpu.state is GpuState.LOST:
        raise _Refused(f"GPU {node}/{index} is lost", "choose another, or see why in the events of the node")
    return gpu


def _there_are(node: str, gpus: tuple[GpuReading, ...]) -> str:
    if not gpus:
        return f"{node} reports no GPUs; leave `gpus` out to use the CPU"
    return f"{node} has {', '.join(str(index) for index in sorted(gpu.index for gpu in gpus))}"


def _known(node: str, nodes: Mapping[str, NodeStatus]) -> None:
    if node not in nodes:
        raise _Refused(f"no node {node} is up", f"up: {', '.join(sorted(nodes))}")
