"""Which GPUs of one node belong together: those that talk to each other over the shortest way. Pure.

What lies between two is read from sysfs (profiles.observed.gpus.Nearness); where nothing is told, all are as far
apart. Nodes of one make are wired alike, so what was found for one holds for the others.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from profiles.observed.gpus import GpuCard, Nearness
from profiles.observed.status import GpuReading

_FAR = len(Nearness)
_STEPS = {nearness: steps for steps, nearness in enumerate(Nearness)}

Distances = Mapping[tuple[str, str], int]
"""Between GPUs by UUID, both ways."""

Wiring = tuple[tuple[int, ...], ...]
"""How far each of some GPUs is from each; empty where nothing is told."""


def distances(cards: Sequence[GpuCard]) -> Distances:
    """Where a card tells nothing of another, sharing a NUMA node counts."""
    found = {(one.uuid, other.uuid): Nearness.NODE if one.numa_node == other.numa_node else Nearness.SYS
             for one in cards for other in cards if None not in (one.numa_node, other.numa_node)}  # fmt: skip
    found |= {(card.uuid, peer.uuid): peer.nearness for card in cards for peer in card.peers}
    return {pair: _STEPS[nearness] for pair, nearness in found.items()}


def wiring(gpus: Sequence[GpuReading], apart: Distances) -> Wiring:
    if not apart:
        return ()
    uuids = [gpu.uuid for gpu in gpus]
    return tuple(tuple([apart.get((one, other), _FAR) for other in uuids]) for one in uuids)


def nearest(gpus: Sequence[GpuReading], count: int, apart: Distances) -> tuple[GpuReading, ...] | None:
    """The `count` of `gpus` that are nearest to each other, by index; None where there are fewer.

    The way through a machine is a tree, so growing from each GPU to whatever is next finds the best. Of sets that are
    as near, the one that leaves those near to each other together, then the lowest indices.
    """
    if not 0 < count <= len(gpus):
        return None
    ordered = sorted(gpus, key=lambda gpu: gpu.index)
    if not apart or count == len(gpus):
        return tuple(ordered[:count])
    return tuple(ordered[at] for at in _best(wiring(ordered, apart), count))


def width(gpus: Sequence[GpuReading], apart: Distances) -> int:
    """The longest way between two of them; 0 for one alone."""
    return max((_between(one, other, apart) for one in gpus for other in gpus if one is not other), default=0)


@lru_cache(4096)
def _best(way: Wiring, count: int) -> tuple[int, ...]:
    sets = {_grown(seed, way, count) for seed in range(len(way))}
    return min(sets, key=lambda chosen: (_spread(chosen, way), chosen))


def _grown(seed: int, way: Wiring, count: int) -> tuple[int, ...]:
    by_distance = sorted((far, at) for at, far in enumerate(way[seed]) if at != seed)
    return tuple(sorted([seed, *(at for _, at in by_distance[: count - 1])]))


def _spread(chosen: tuple[int, ...], way: Wiring) -> tuple[int, int, int]:
    """The longest way within, all of them together, and how near it is to what is left."""
    within = [way[one][other] for one in chosen for other in chosen if one < other]
    left = [_FAR - far for one in chosen for at, far in enumerate(way[one]) if at not in chosen]
    return max(within, default=0), sum(within), sum(left)


def _between(one: GpuReading, other: GpuReading, apart: Distances) -> int:
    return apart.get((one.uuid, other.uuid), _FAR)
