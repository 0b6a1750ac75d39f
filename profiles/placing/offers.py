"""What each node offers to one kind of request, the best first. Pure.

    every node ──► Offer    the best that it has: its rank is what is compared, the smallest is taken
               └─► Short    how near it comes, and what is in the way

Ranked by: fewest replicas of the service, where they are to be spread; no stranger's work beside it; the shortest way
between its GPUs; then the fullest GPU or node in which it fits, so that large pieces stay whole, or the emptiest where
replicas are spread; then the name of the node and the index. Services that ask for the same share one list, and a
node's place in it is worked out again only when something there has changed.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

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
    """`rank` is beside the replicas that are there already."""

    rank: tuple[int, ...]
    gpus: tuple[Taken, ...] = ()


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


class _Free(NamedTuple):
    """A GPU that would do, and how much is left there of what was asked for."""

    one: Taken
    left: int
    strangers: bool


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
        self._offers: dict[str, Offer | Short] = {}
        self._ranked: list[tuple[tuple[int, ...], str]] = []
        self._known: dict[str, tuple[Taken, _Free | str]] = {}
        self._known_alike: dict[tuple[object, ...], _Free] = {}
        self._known_nodes: dict[int, tuple[Offer | Short, tuple[int, ...]]] = {}
        """What a node offers, and where those GPUs are on it; for nodes that are like it."""
        self._seen = len(cluster.changes)
        for node in self._nodes:
            found = self._offers[node] = self._offer(node)
            if isinstance(found, Offer):
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
        offer = self._offers[found[2]]
        assert isinstance(offer, Offer)
        return found[2], tuple(part for one in offer.gpus if isinstance(part := self._part(one), Slice))

    def _part(self, one: Taken) -> Slice | NoPart:
        return part_of(self._share, one.gpu, self._engine, None, one.there)

    def short(self) -> dict[str, Short]:
        """Of the nodes that would not do."""
        return {node: found for node, found in self._offers.items() if isinstance(found, Short)}

    def _look_again(self) -> None:
        changes = self._cluster.changes
        changed = dict.fromkeys(changes[self._seen :])
        self._seen = len(changes)
        for node in changed.keys() & self._nodes.keys():
            before = self._offers[node]
            if isinstance(before, Offer):
                del self._ranked[bisect_left(self._ranked, (before.rank, node))]
            found = self._offers[node] = self._offer(node)
            if isinstance(found, Offer):
                insort(self._ranked, (found.rank, node))

    def _offer(self, node: str) -> Offer | Short:
        if why := self._cluster.cordoned(node):
            return Short(why=why)
        if self._request is None:
            return Offer((len(self._cluster.held(node)),))
        there = self._cluster.taken(node)
        alike = self._cluster.alike(node, wired=self._request.each > 1)
        if alike is None:
            return self._new_offer(node, there)
        if alike not in self._known_nodes:
            found = self._new_offer(node, there)
            at = tuple(there.index(one) for one in found.gpus) if isinstance(found, Offer) else ()
            self._known_nodes[alike] = found, at
        found, at = self._known_nodes[alike]
        return Offer(found.rank, tuple([there[one] for one in at])) if isinstance(found, Offer) else found

    def _new_offer(self, node: str, there: Sequence[Taken]) -> Offer | Short:
        wanted = self._request.type if self._request else None
        free: list[_Free] = []
        full: list[Short] = []
        for one in there:
            if wanted is not None and type_of(one.gpu.name) != wanted:
                continue
            judged = self._judged(node, one)
            if isinstance(judged, _Free):
                free.append(judged)
            else:
                full.append(Short(most_mib=one.account.free_mib or 0, most_index=one.gpu.index, why=judged))
        if best := self._best(node, free):
            return best
        alike = Counter(found.one.gpu.name for found in free)
        nearest_one = max(full, key=lambda one: one.most_mib, default=Short())
        return replace(nearest_one, candidates=len(free) + len(full), fits=max(alike.values(), default=0))

    def _judged(self, node: str, one: Taken) -> _Free | str:
        """As free, or why it is not."""
        if why := self._cluster.cordoned(node, one.gpu.uuid):
            return why
        if one.alike is not None and (known := self._known_alike.get(one.alike)):
            return _Free(one, known.left, known.strangers)
        before, judged = self._known.get(one.gpu.uuid, (None, ""))
        if before is not one:
            judged = self._newly_judged(one)
            self._known[one.gpu.uuid] = one, judged
            if one.alike is not None and isinstance(judged, _Free):
                self._known_alike[one.alike] = judged
        return judged

    def _newly_judged(self, one: Taken) -> _Free | str:
        part = self._part(one)
        if isinstance(part, NoPart):
            return part.reason
        if found := refused_part(part, one):
            return found.text
        strangers = one.account.others_mib > headroom_mib(one.gpu.memory_total_mib or 0)
        return _Free(one, _left(self._share, one.gpu, one.there, one.account.free_mib), strangers)

    def _best(self, node: str, free: Sequence[_Free]) -> Offer | None:
        """The best that can be had of the `free` GPUs of one node, all of one board."""
        assert self._request is not None
        count = self._request.each
        if len(free) < count:
            return None
        apart: Distances = self._cluster.distances(node) if count > 1 else {}
        offers = []
        for board in {found.one.gpu.name for found in free}:
            alike = [found for found in free if found.one.gpu.name == board]
            for strangers in {found.strangers for found in alike}:
                able = [found for found in alike if strangers or not found.strangers]
                if chosen := self._group(able, count, apart):
                    left = len(able) if self._whole else sum(found.left for found in chosen)
                    gpus = tuple(found.one for found in chosen)
                    wide = width([one.gpu for one in gpus], apart) if count > 1 else 0
                    offers.append(Offer((strangers, wide, -left if self._spread else left), gpus))
        return min(offers, key=lambda offer: (offer.rank, offer.gpus[0].gpu.index), default=None)

    def _group(self, able: Sequence[_Free], count: int, apart: Distances) -> Sequence[_Free]:
        if count > 1 or self._whole:
            chosen = nearest([found.one.gpu for found in able], count, apart) or ()
            wanted = {gpu.uuid for gpu in chosen}
            return [found for found in able if found.one.gpu.uuid in wanted]
        sign = -1 if self._spread else 1
        return [min(able, key=lambda found: (sign * found.left, found.one.gpu.index))]


def _left(share: Share, gpu: GpuReading, there: Held, free_mib: int | None) -> int:
    if share.mig is None:
        return free_mib or 0
    return sum(slot.profile == share.mig and holder(slot, there) is None for slot in slots(gpu))
