"""Which node and which of its GPUs a new replica gets, and why none would do. Pure.

    every node ──► Offer    the best that it has: its rank is what is compared, the smallest is taken
               └─► Short    how near it comes, and what is in the way

Ranked by: fewest replicas of the service, where they are to be spread; no stranger's work beside it; the shortest way
between its GPUs; then the fullest GPU or node in which it fits, so that large pieces stay whole, or the emptiest where
replicas are spread; then the name of the node and the index.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from engines.base import Engine
from engines.devices import Slice
from profiles.account import Held, account, tenants
from profiles.cluster import Cluster
from profiles.gpu_request import GpuRequest, Share
from profiles.gputypes import type_of
from profiles.ledger import refusal
from profiles.memory import headroom_mib
from profiles.model import Service
from profiles.nearness import Distances, distances, nearest, width
from profiles.refused import Refused
from profiles.share import NoPart, part_of
from profiles.slots import holder, slots
from profiles.status import GpuReading


class Offer(msgspec.Struct, frozen=True):
    slices: tuple[Slice, ...]
    rank: tuple[int, ...]


class Short(msgspec.Struct, frozen=True):
    """Of `candidates` by their type, `fits` would do, where more are needed; `most_mib` is what the emptiest other one
    has to give."""

    candidates: int = 0
    fits: int = 0
    most_mib: int = 0
    most_index: int = 0
    why: str = ""


class Place(msgspec.Struct, frozen=True):
    node: str
    slices: tuple[Slice, ...] = ()


class _Free(msgspec.Struct, frozen=True):
    """A GPU that would do, the part of it, and how much is left there of what was asked for."""

    gpu: GpuReading
    part: Slice
    left: int
    strangers: bool


class Chooser:
    """The choices for one service: what a node offers is worked out again only when something there has changed."""

    def __init__(self, cluster: Cluster, name: str, service: Service, engine: Engine) -> None:
        self._cluster, self._name, self._engine = cluster, name, engine
        self._request = service.gpus
        self._share = (service.gpus or GpuRequest()).share()
        self._spread = service.place.spread is not None
        self._nodes = cluster.chosen(service.place.selector(), service.place.nodes)
        self._offers: dict[str, tuple[int, Offer | Short]] = {}

    def choose(self) -> Place:
        """A place for one more replica; the caller books it. Raises Refused with the nearest fit."""
        found = {node: self._offer(node) for node in self._nodes}
        offers = [(offer.rank, node, offer) for node, offer in found.items() if isinstance(offer, Offer)]
        if not offers:
            raise self._refused({node: short for node, short in found.items() if isinstance(short, Short)})
        _, node, offer = min(offers, key=lambda one: one[:2])
        return Place(node, offer.slices)

    def _offer(self, node: str) -> Offer | Short:
        now = self._cluster.changes[node]
        at, known = self._offers.get(node, (-1, Short()))
        if at != now:
            known = self._new_offer(node)
            self._offers[node] = now, known
        return known

    def _new_offer(self, node: str) -> Offer | Short:
        if why := self._cluster.cordoned(node):
            return Short(why=why)
        here = self._cluster.replicas(node, self._name)
        held = self._cluster.held(node)
        if self._request is None:
            return Offer((), (here, len(held)))
        free: list[_Free] = []
        full: list[Short] = []
        for gpu in self._candidates(node):
            judged = self._judged(node, gpu, held)
            if isinstance(judged, _Free):
                free.append(judged)
            else:
                room_mib = account(gpu, tenants(gpu, held)).free_mib or 0
                full.append(Short(most_mib=room_mib, most_index=gpu.index, why=judged))
        if best := self._best(node, free, here):
            return best
        alike = Counter(one.gpu.name for one in free)
        nearest_one = max(full, key=lambda one: one.most_mib, default=Short())
        return replace(nearest_one, candidates=len(free) + len(full), fits=max(alike.values(), default=0))

    def _candidates(self, node: str) -> Iterator[GpuReading]:
        wanted = self._request.type if self._request else None
        for gpu in sorted(self._cluster.gpus(node), key=lambda gpu: (gpu.index, gpu.uuid)):
            if wanted is None or type_of(gpu.name) == wanted:
                yield gpu

    def _judged(self, node: str, gpu: GpuReading, held: Held) -> _Free | str:
        """As free, or why it is not."""
        if why := self._cluster.cordoned(node, gpu.uuid):
            return why
        part = part_of(self._share, gpu, self._engine, None, held)
        if isinstance(part, NoPart):
            return part.reason
        if found := refusal((part,), (gpu,), held):
            return found.text
        there = tenants(gpu, held)
        counted = account(gpu, there)
        strangers = counted.others_mib > headroom_mib(gpu.memory_total_mib or 0)
        return _Free(gpu, part, _left(self._share, gpu, there, counted.free_mib), strangers)

    def _best(self, node: str, free: Sequence[_Free], here: int) -> Offer | None:
        """The best that can be had of the `free` GPUs of one node, all of one board."""
        assert self._request is not None
        count = self._request.each
        apart: Distances = distances(self._cluster.nodes[node].gpu_cards) if count > 1 else {}
        offers = []
        for board in sorted({one.gpu.name for one in free}):
            alike = {one.gpu.uuid: one for one in free if one.gpu.name == board}
            for strangers in sorted({one.strangers for one in alike.values()}):
                able = [one for one in alike.values() if strangers or not one.strangers]
                if chosen := self._group(able, count, apart):
                    left = len(able) if self._share.whole else sum(alike[gpu.uuid].left for gpu in chosen)
                    rank = (
                        here if self._spread else 0,
                        strangers,
                        width(chosen, apart),
                        -left if self._spread else left,
                    )
                    offers.append(Offer(tuple(alike[gpu.uuid].part for gpu in chosen), rank))
        return min(offers, key=lambda offer: offer.rank, default=None)

    def _group(self, able: Sequence[_Free], count: int, apart: Distances) -> tuple[GpuReading, ...] | None:
        if count > 1 or self._share.whole:
            return nearest([one.gpu for one in able], count, apart)
        sign = -1 if self._spread else 1
        best = min(able, key=lambda one: (sign * one.left, one.gpu.index), default=None)
        return None if best is None else (best.gpu,)

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


def _left(share: Share, gpu: GpuReading, there: Held, free_mib: int | None) -> int:
    if share.mig is None:
        return free_mib or 0
    return sum(slot.profile == share.mig and holder(slot, there) is None for slot in slots(gpu))


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
