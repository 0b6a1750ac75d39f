"""The devices that people list, `NODE/INDEX`, shared out in order and evenly among the replicas of a service. Pure."""

from collections.abc import Mapping

from profiles.desired.model import Service
from profiles.observed.status import GpuReading, GpuState, NodeStatus
from profiles.placing.refused import Refused

Spot = tuple[str, tuple[GpuReading, ...]]
"""A node and GPUs of it."""


def spots(service: Service, devices: tuple[str, ...], nodes: Mapping[str, NodeStatus]) -> list[Spot]:
    """Node and GPUs of each replica, in order. Raises Refused."""
    twice = sorted({device for device in devices if devices.count(device) > 1})
    if twice and service.gpus and service.gpus.share().whole:
        raise Refused(f"{twice[0]} is listed twice", "list each device once")
    if not devices or len(devices) % service.replicas:
        reason = f"{len(devices)} devices cannot be shared out evenly among {service.replicas} replicas"
        raise Refused(reason, f"list a multiple of {service.replicas} devices, or change `replicas`")
    each = len(devices) // service.replicas
    return [_spot(service, devices[start : start + each], nodes) for start in range(0, len(devices), each)]


def _spot(service: Service, devices: tuple[str, ...], nodes: Mapping[str, NodeStatus]) -> Spot:
    """What one replica has by its `devices`."""
    homes = sorted({device.partition("/")[0] for device in devices})
    for node in homes:
        if node not in nodes:
            raise Refused(f"no node {node} is up", f"up: {', '.join(sorted(nodes))}")
    if len(homes) > 1:
        reason = f"one replica would have GPUs on {' and '.join(homes)}"
        raise Refused(reason, "list the devices so that each replica's are on one node")
    if len(set(devices)) < len(devices):
        raise Refused(f"one replica would have two parts of {devices[0]}", "ask for one larger part")
    if len(devices) > 1 and service.gpus and service.gpus.mig:
        raise Refused("one engine uses one MIG device, not several", "list one device for each replica")
    node = homes[0]
    return node, tuple(_gpu(node, device.partition("/")[2], nodes[node]) for device in devices)


def _gpu(node: str, index: str, status: NodeStatus) -> GpuReading:
    gpu = next((gpu for gpu in status.gpus if str(gpu.index) == index), None)
    if gpu is None:
        raise Refused(f"{node} has no GPU {index}", _there_are(node, status.gpus))
    if gpu.state is GpuState.LOST:
        raise Refused(f"GPU {node}/{index} is lost", "choose another, or see why in the events of the node")
    return gpu


def _there_are(node: str, gpus: tuple[GpuReading, ...]) -> str:
    if not gpus:
        return f"{node} reports no GPUs; leave `gpus` out to use the CPU"
    return f"{node} has {', '.join(str(index) for index in sorted(gpu.index for gpu in gpus))}"
