"""What each node offers to one kind of request, the best first. Pure.

    every node ──► Offer    the best that it has: its rank is what is compared, the smallest is taken
               └─► None     and, where all of them have none, Short: how near it comes, and what is in the way

Ranked by: fewest replicas of the service, where they are to be spread; no stranger's work beside it; the shortest way
between its GPUs; then the fullest GPU or node in which it fits, so that large pieces stay whole, or the emptiest where
replicas are spread; then the name of the node and the index. Services that ask for the same share one list, and a
node's place in it is worked out again only when something there has changed; once for all that are alike.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from engines.base import Engine
from engines.devices import Slice
from profiles.desired.gpu_request import GpuRequest, Share
from profiles.desired.model import Service
from profiles.gpu.account import Held, Taken
from profiles.gpu.gputypes import type_of
from profiles.gpu.ledger import refused_part
from profiles.gpu.memory import headroom_mib
from profiles.gpu.nearness import Distances, nearest, width
from profiles.gpu.share import NoPart, part_of, settled
from profiles.gpu.slots import holder, slots
from profiles.observed.status import GpuReading
from profiles.placing.cluster import Cluster


class Offer(NamedTuple):
    """`rank` is beside the replicas that are there already; `at` is which of the node's GPUs, in their order."""

    rank: tuple[int, ...]
    at: tuple[int, ...] = ()


class Short(msgspec.Struct, frozen=True):
    """Of `candidates` by their type, `fits` would do, where more are needed; `most_mib` is what the emptiest other one
    has to give."""

    candidates: int = 0
    fits: int = 0
    most_mib: int = 0
    most_index: int = 0
    why: str = ""


class Kind(msgspec.Struct, frozen=True):
    """What makes two requests the same. `nodes` is the selector as it is written."""

    request: GpuRequest | None
    engine: str
    spread: bool
    nodes: str | None


class _Room(NamedTuple):
    """How much is left of what was asked for, on a GPU that would do, and whether a stranger works there."""

    left: int
    strangers: bool


class _Free(NamedTuple):
    at: int
    gpu: GpuReading
    room: _Room


def kind_of(service: Service, engine: Engine) -> Kind:
    return Kind(service.gpus, engine.name, service.gpus is None or service.place.spread is not None,
                service.place.nodes)  # fmt: skip


class Offers:
    """Of the nodes that a service of this kind may use."""

    def __init__(self, cluster: Cluster, service: Service, engine: Engine) -> None:
        self._cluster, self._engine = cluster, engine
        self._request = service.gpus
        self._share = settled((service.gpus or GpuRequest()).share(), engine)
        self._whole = self._share.whole
        self._spread = kind_of(service, engine).spread
        self._nodes = dict.fromkeys(cluster.chosen(service.place.selector(), service.place.nodes))
        self._offers: dict[str, Offer | None] = {}
        self._ranked: list[tuple[tuple[int, ...], str]] = []
        self._known: dict[str, tuple[Taken, _Room | None]] = {}
        self._known_gpus: dict[tuple[object, ...], _Room | None] = {}
        self._known_nodes: dict[int, Offer | None] = {}
        """For GPUs, and nodes, that are alike."""
        self._seen = len(cluster.changes)
        for node in self._nodes:
            found = self._offers[node] = self._offer(node)
            if found is not None:
                self._ranked.append((found.rank, node))
        self._ranked.sort()

    def best(self, replicas: Mapping[str, int]) -> tuple[str, tuple[Slice, ...]] | None:
        """For one more replica of a service that has so many `replicas` by node; None where no node would do."""
        self._look_again()
        found: tuple[int, tuple[int, ...], str] | None = None
        for rank, node in self._ranked:
            here = replicas.get(node, 0) if self._spread else 0
            if found is None or (here, rank, node) < found:
                found = here, rank, node
            if not here:
                break
        if found is None:
            return None
        node = found[2]
        offer, there = self._offers[node], self._cluster.taken(node)
        assert offer is not None
        return node, tuple(part for at in offer.at if isinstance(part := self._part(there[at]), Slice))

    def _part(self, one: Taken) -> Slice | NoPart:
        return part_of(self._share, one.gpu, self._engine, None, one.there)

    def short(self) -> dict[str, Short]:
        """Of the nodes that would not do."""
        return {node: self._short(node) for node, offer in self._offers.items() if offer is None}

    def _look_again(self) -> None:
        changes = self._cluster.changes
        changed = dict.fromkeys(changes[self._seen :])
        self._seen = len(changes)
        for node in changed.keys() & self._nodes.keys():
            before = self._offers[node]
            if before is not None:
                del self._ranked[bisect_left(self._ranked, (before.rank, node))]
            found = self._offers[node] = self._offer(node)
            if found is not None:
                insort(self._ranked, (found.rank, node))

    def _offer(self, node: str) -> Offer | None:
        if self._cluster.cordoned(node):
            return None
        if self._request is None:
            return Offer((len(self._cluster.held(node)),))
        alike = self._cluster.alike(node, wired=self._request.each > 1)
        if alike is None:
            return self._new_offer(node)
        if alike not in self._known_nodes:
            self._known_nodes[alike] = self._new_offer(node)
        return self._known_nodes[alike]

    def _new_offer(self, node: str) -> Offer | None:
        return self._best(
            node,
            [
                _Free(at, one.gpu, room)
                for at, one in enumerate(self._cluster.taken(node))
                if self._of_type(one) and (room := self._room(node, one))
            ],
        )

    def _short(self, node: str) -> Short:
        """What is in the way is put into words only for a node that is told of."""
        if why := self._cluster.cordoned(node):
            return Short(why=why)
        candidates = [one for one in self._cluster.taken(node) if self._of_type(one)]
        alike = Counter(one.gpu.name for one in candidates if self._room(node, one))
        full = [one for one in candidates if not self._room(node, one)]
        if not full:
            return Short(candidates=len(candidates), fits=max(alike.values(), default=0))
        best = max(full, key=lambda one: one.account.free_mib or 0)
        judged = self._cluster.cordoned(node, best.gpu.uuid) or self._judged(best)
        return Short(
            candidates=len(candidates),
            fits=max(alike.values(), default=0),
            most_mib=best.account.free_mib or 0,
            most_index=best.gpu.index,
            why=judged if isinstance(judged, str) else "",
        )

    def _of_type(self, one: Taken) -> bool:
        wanted = self._request.type if self._request else None
        return wanted is None or type_of(one.gpu.name) == wanted

    def _room(self, node: str, one: Taken) -> _Room | None:
        """None where there is none."""
        if self._cluster.cordoned(node, one.gpu.uuid):
            return None
        if one.alike is not None:
            if one.alike not in self._known_gpus:
                self._known_gpus[one.alike] = _or_none(self._judged(one))
            return self._known_gpus[one.alike]
        before, room = self._known.get(one.gpu.uuid, (None, None))
        if before is not one:
            room = _or_none(self._judged(one))
            self._known[one.gpu.uuid] = one, room
        return room

    def _judged(self, one: Taken) -> _Room | str:
        """The room for one more, or why there is none."""
        part = self._part(one)
        if isinstance(part, NoPart):
            return part.reason
        if found := refused_part(part, one):
            return found.text
        strangers = one.account.others_mib > headroom_mib(one.gpu.memory_total_mib or 0)
        return _Room(_left(self._share, one.gpu, one.there, one.account.free_mib), strangers)

    def _best(self, node: str, free: Sequence[_Free]) -> Offer | None:
        """The best that can be had of the `free` GPUs of one node, all of one board."""
        assert self._request is not None
        count = self._request.each
        if len(free) < count:
            return None
        apart: Distances = self._cluster.distances(node) if count > 1 else {}
        offers = []
        for board in {found.gpu.name for found in free}:
            alike = [found for found in free if found.gpu.name == board]
            for strangers in {found.room.strangers for found in alike}:
                able = [found for found in alike if strangers or not found.room.strangers]
                if chosen := self._group(able, count, apart):
                    left = len(able) if self._whole else sum(found.room.left for found in chosen)
                    wide = width([found.gpu for found in chosen], apart) if count > 1 else 0
                    rank = strangers, wide, -left if self._spread else left
                    offers.append(Offer(rank, tuple(found.at for found in chosen)))
        return min(offers, default=None)

    def _group(self, able: Sequence[_Free], count: int, apart: Distances) -> Sequence[_Free]:
        if count > 1 or self._whole:
            chosen = nearest([found.gpu for found in able], count, apart) or ()
            wanted = {gpu.uuid for gpu in chosen}
            return [found for found in able if found.gpu.uuid in wanted]
        sign = -1 if self._spread else 1
        return [min(able, key=lambda found: (sign * found.room.left, found.at))]


def _or_none(judged: _Room | str) -> _Room | None:
    return judged if isinstance(judged, _Room) else None


def _left(share: Share, gpu: GpuReading, there: Held, free_mib: int | None) -> int:
    if share.mig is None:
        return free_mib or 0
    return sum(slot.profile == share.mig and holder(slot, there) is None for slot in slots(gpu))
