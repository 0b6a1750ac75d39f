"""Gateways as instances of their nodes: what is wanted of each, and which cannot be had. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from profiles.desired.gateway import ENGINE, Gateway, GatewayRequest, Relay
from profiles.desired.model import InstanceSpec, Profile
from profiles.placing.cluster import Cluster

MAX_RELAYS = 999


class Front(NamedTuple):
    """A gateway where it should run."""

    node: str
    spec: InstanceSpec


class NoFront(NamedTuple):
    name: str
    reason: str
    hint: str


Homes = Mapping[str, Counter[str]]
"""Service → node → how many replicas it has there; a service that could not be placed has none."""


def fronts(profile: Profile, homes: Homes, cluster: Cluster) -> list[Front | NoFront]:
    """Every gateway, and its relays: a gateway on each other node that has replicas of what it serves."""
    found: list[Front | NoFront] = []
    for name in sorted(profile.gateway):
        made = _made(profile, name, homes, cluster)
        found += [made] if isinstance(made, NoFront) else made
    return found


def _made(profile: Profile, name: str, homes: Homes, cluster: Cluster) -> list[Front] | NoFront:
    wanted = profile.gateway[name]
    spec = _spec(profile, name, 0, Gateway(serve=wanted.serve))
    if why := _refused(wanted.node, spec, cluster):
        return NoFront(name, *why)
    bind = cluster.nodes[wanted.node].bind if wanted.bind else ""
    if wanted.bind and not bind:
        text = f"{wanted.node}: its admin approved no address where it may listen"
        return NoFront(name, text, "set `bind` in agent.toml there, or leave `bind` out")
    far = _counted(wanted, homes)
    far.pop(wanted.node, None)
    relays = []
    for node, number in _numbered(name, far, cluster).items():
        relay = _relay(profile, name, node, number, cluster)
        if isinstance(relay, NoFront):
            return relay
        relays.append(relay)
    told = tuple(
        Relay(instance=one.spec.name, host=one.spec.bind, port=wanted.port, replicas=far[one.node]) for one in relays
    )
    return [Front(wanted.node, replace(spec, bind=bind, gateway=Gateway(serve=wanted.serve, relays=told))), *relays]


def _relay(profile: Profile, name: str, node: str, number: int, cluster: Cluster) -> Front | NoFront:
    wanted = profile.gateway[name]
    spec = _spec(profile, name, number, Gateway(serve=wanted.serve, is_relay=True))
    if not (bind := cluster.nodes[node].bind):
        text = f"it runs on {wanted.node}, and replicas on {node}, whose admin approved no address for a relay"
        return NoFront(name, text, f"set `bind` in agent.toml there, or `place: {{nodes: {wanted.node}}}`")
    if why := _refused(node, spec, cluster):
        return NoFront(name, *why)
    return Front(node, replace(spec, bind=bind))


def _counted(wanted: GatewayRequest, homes: Homes) -> dict[str, dict[str, int]]:
    """Node → service → replicas of what it serves."""
    found: dict[str, dict[str, int]] = {}
    for service in sorted(wanted.serve):
        for node, number in homes.get(service, Counter[str]()).items():
            found.setdefault(node, {})[service] = number
    return found


def _numbered(name: str, nodes: Collection[str], cluster: Cluster) -> dict[str, int]:
    """The relay of each node: one that is there keeps its number, the others take the next that are free."""
    found: dict[str, int] = {}
    for number in range(1, MAX_RELAYS + 1):
        for node, _ in cluster.before(f"{name}/{number}"):
            if node in nodes:
                found.setdefault(node, number)
    free = (number for number in range(1, MAX_RELAYS + 1) if number not in found.values())
    return found | {node: next(free) for node in sorted(nodes) if node not in found}


def _refused(node: str, spec: InstanceSpec, cluster: Cluster) -> tuple[str, str] | None:
    """Why it cannot run there, and what to do about it."""
    if node not in cluster.nodes:
        return f"its node {node} is not up", f"up: {', '.join(cluster.nodes) or 'none'}"
    if cluster.owned(node, spec.name) is None and (why := cluster.cordoned(node)):
        return f"{node}: {why}", f"`gpuyard node uncordon {node}`, or give it another node"
    return None


def _spec(profile: Profile, name: str, number: int, gateway: Gateway) -> InstanceSpec:
    return InstanceSpec(
        name=f"{name}/{number}",
        service=name,
        engine=ENGINE,
        model="",
        port=profile.gateway[name].port,
        restart=profile.defaults.restart.rule(),
        gateway=gateway,
    )
