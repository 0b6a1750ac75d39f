"""Gateways as instances of their nodes: what is wanted of each, and which cannot be had. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from profiles.cluster import Cluster
from profiles.gateway import ENGINE, Gateway, GatewayRequest
from profiles.model import InstanceSpec, Profile


class Front(NamedTuple):
    """A gateway where it should run."""

    node: str
    spec: InstanceSpec


class NoFront(NamedTuple):
    name: str
    reason: str
    hint: str


def fronts(profile: Profile, homes: Mapping[str, set[str]], cluster: Cluster) -> list[Front | NoFront]:
    """`homes`: service → nodes of its replicas; of one that could not be placed, none."""
    return [_front(profile, name, homes, cluster) for name in sorted(profile.gateway)]


def _front(profile: Profile, name: str, homes: Mapping[str, set[str]], cluster: Cluster) -> Front | NoFront:
    wanted = profile.gateway[name]
    node, spec = wanted.node, _spec(profile, name, wanted)
    if node not in cluster.nodes:
        return NoFront(name, f"its node {node} is not up", f"up: {', '.join(cluster.nodes) or 'none'}")
    if cluster.owned(node, spec.name) is None and (why := cluster.cordoned(node)):
        return NoFront(name, f"{node}: {why}", f"`gpuyard node uncordon {node}`, or give it another node")
    if far := sorted({home for service in wanted.serve for home in homes.get(service, set())} - {node}):
        text = f"it runs on {node}, and replicas that it serves are on {', '.join(far)}"
        hint = f"engines listen on their own node alone: `place: {{nodes: {node}}}` keeps them together"
        return NoFront(name, text, hint)
    return Front(node, spec)


def _spec(profile: Profile, name: str, wanted: GatewayRequest) -> InstanceSpec:
    return InstanceSpec(
        name=f"{name}/0",
        service=name,
        engine=ENGINE,
        model="",
        port=wanted.port,
        restart=profile.defaults.restart.rule(),
        gateway=Gateway(serve=wanted.serve),
    )
