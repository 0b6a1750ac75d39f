"""A node and some of its GPUs for one more replica, or why none would do. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from engines.base import Engine
from engines.devices import Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Service
from profiles.gpu.gputypes import type_of
from profiles.placing.cluster import Cluster
from profiles.placing.offers import Kind, Offers, Short, kind_of
from profiles.placing.refused import Refused


class Place(msgspec.Struct, frozen=True):
    node: str
    slices: tuple[Slice, ...] = ()


class Chooser:
    """The choices for one service. `known` are the offers for services before it, by what they asked for."""

    def __init__(
        self, cluster: Cluster, name: str, service: Service, engine: Engine, known: dict[Kind, Offers]
    ) -> None:
        self._cluster, self._request = cluster, service.gpus
        self._share = (service.gpus or GpuRequest()).share()
        self._replicas = cluster.replicas[name]
        kind = kind_of(service, engine)
        if kind not in known:
            known[kind] = Offers(cluster, service, engine)
        self._offers = known[kind]

    def choose(self) -> Place:
        """A place for one more replica; the caller books it. Raises Refused with the nearest fit."""
        found = self._offers.best(self._replicas)
        if found is None:
            raise self._refused(self._offers.short())
        return Place(*found)

    def _refused(self, short: Mapping[str, Short]) -> Refused:
        node, found = max(short.items(), key=lambda one: (one[1].fits, one[1].most_mib))
        if self._request is None:
            return Refused(f"{node}: {found.why}", "choose another place, or uncordon it")
        kind = self._request.type or "GPU"
        if not any(one.candidates or one.why for one in short.values()):
            return Refused(f"no {kind} is on {_nodes(list(short))}", _there_are(self._cluster, list(short)))
        return Refused(f"needs {self._needs(kind)}, {self._nearest(node, found, len(short))}", _because(node, found))

    def _needs(self, kind: str) -> str:
        count, share = self._request.each if self._request else 1, self._share
        where = f"one {kind}" if count == 1 else f"each of {count} {kind} on one node"
        if share.mig is not None:
            return f"a free {share.mig}"
        if share.memory_mib is not None:
            return f"{share.memory_mib:,} MiB of {where}"
        if share.portion is not None:
            return f"{share.portion:g} of {where}"
        plural = "s" if kind == "GPU" and count > 1 else ""
        return f"{count} free {kind}{plural}{' on one node' if count > 1 else ''}"

    def _nearest(self, node: str, found: Short, of: int) -> str:
        if found.fits:
            return f"best is {node} with {found.fits}"
        if self._share.memory_mib is not None and found.most_mib:
            return f"best is {node}/{found.most_index} with {found.most_mib:,}"
        return f"{node} has none" if of == 1 else f"none of {of} nodes has it"


def _because(node: str, found: Short) -> str:
    return f"{node}: {found.why}" if found.why else "see `gpuyard gpus`"


def _nodes(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"any of the {len(names)} nodes that it may use"


def _there_are(cluster: Cluster, nodes: Sequence[str]) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        for gpu in cluster.nodes[node].gpus:
            kind = type_of(gpu.name) or gpu.name
            counts[kind] = counts.get(kind, 0) + 1
    if not counts:
        return "leave `gpus` out to use the CPU"
    return f"there are: {', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}"
