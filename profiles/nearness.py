"""Which GPUs of one node belong together: those that talk to each other over the shortest way. Pure.

What lies between two is read from sysfs (profiles.gpus.Nearness); where nothing is told, all are as far apart.
"""

from collections.abc import Mapping, Sequence

from profiles.gpus import GpuCard, Nearness
from profiles.status import GpuReading

_FAR = len(Nearness)
_STEPS = {nearness: steps for steps, nearness in enumerate(Nearness)}

Distances = Mapping[tuple[str, str], int]
"""Between GPUs by UUID, both ways."""


def distances(cards: Sequence[GpuCard]) -> Distances:
    """Where a card tells nothing of another, sharing a NUMA node counts."""
    found = {(one.uuid, other.uuid): Nearness.NODE if one.numa_node == other.numa_node else Nearness.SYS
             for one in cards for other in cards if None not in (one.numa_node, other.numa_node)}  # fmt: skip
    found |= {(card.uuid, peer.uuid): peer.nearness for card in cards for peer in card.peers}
    return {pair: _STEPS[nearness] for pair, nearness in found.items()}


def nearest(gpus: Sequence[GpuReading], count: int, apart: Distances) -> tuple[GpuReading, ...] | None:
    """The `count` of `gpus` that are nearest to each other, by index; None where there are fewer.

    The way through a machine is a tree, so growing from each GPU to whatever is next finds the best. Of sets that are
    as near, the one that leaves those near to each other together, then the lowest indices.
    """
    if not 0 < count <= len(gpus):
        return None
    ordered = sorted(gpus, key=lambda gpu: gpu.index)
    sets = {_grown(seed, ordered, count, apart) for seed in range(len(ordered))}
    best = min(sets, key=lambda chosen: (_spread(chosen, ordered, apart), chosen))
    return tuple(ordered[at] for at in best)


def width(gpus: Sequence[GpuReading], apart: Distances) -> int:
    """The longest way between two of them; 0 for one alone."""
    return max((_between(one, other, apart) for one in gpus for other in gpus if one is not other), default=0)


def _grown(seed: int, gpus: Sequence[GpuReading], count: int, apart: Distances) -> tuple[int, ...]:
    by_distance = sorted((_between(gpus[seed], gpu, apart), at) for at, gpu in enumerate(gpus) if at != seed)
    return tuple(sorted([seed, *(at for _, at in by_distance[: count - 1])]))


def _spread(chosen: tuple[int, ...], gpus: Sequence[GpuReading], apart: Distances) -> tuple[int, int, int]:
    """The longest way within, all of them together, and how near it is to what is left."""
    within = [_between(gpus[one], gpus[other], apart) for one in chosen for other in chosen if one < other]
    left = [_FAR - _between(gpus[one], gpu, apart) for one in chosen for at, gpu in enumerate(gpus) if at not in chosen]
    return max(within, default=0), sum(within), sum(left)


def _between(one: GpuReading, other: GpuReading, apart: Distances) -> int:
    return apart.get((one.uuid, other.uuid), _FAR)
