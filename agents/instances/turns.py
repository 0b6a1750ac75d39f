"""One engine loads on a GPU at a time, by priority, then the longest waiting. Pure bookkeeping; the caller comes back
to ask.

Two engines that measure a GPU's free memory at once both measure wrong.
"""

import itertools
from collections.abc import Iterable

import msgspec

from profiles.priority import NORMAL, PRIORITIES


class Blocker(msgspec.Struct, frozen=True):
    """Who goes first: an instance that is `loading`, or one that waits and comes before."""

    instance: str
    loading: bool

    def text(self) -> str:
        return f"{self.instance} {'loads' if self.loading else 'is next to load'} on the same GPU"


class _Waiting(msgspec.Struct, frozen=True):
    rank: tuple[int, int]
    gpus: frozenset[str]


class Turns:
    """`hold` when an engine starts or is found loading, `leave` when it no longer loads or waits."""

    def __init__(self) -> None:
        self._holding: dict[str, frozenset[str]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._arrivals = itertools.count()

    def ask(self, instance: str, gpus: Iterable[str], priority: int = PRIORITIES[NORMAL]) -> Blocker | None:
        """None is the turn, which is then held. A refusal keeps the place in the queue."""
        wanted = frozenset(gpus)
        rank = self.wait(instance, wanted, priority)
        for other, held in self._holding.items():
            if other != instance and held & wanted:
                return Blocker(other, loading=True)
        before = [(one.rank, other) for other, one in self._waiting.items() if one.rank < rank and one.gpus & wanted]
        if before:
            return Blocker(min(before)[1], loading=False)
        self.hold(instance, wanted)
        return None

    def wait(self, instance: str, gpus: Iterable[str], priority: int) -> tuple[int, int]:
        """Its place in the queue, whether it could start now or not; the lowest is next."""
        known = self._waiting.get(instance)
        rank = (-priority, known.rank[1] if known else next(self._arrivals))
        self._waiting[instance] = _Waiting(rank, frozenset(gpus))
        return rank

    def hold(self, instance: str, gpus: Iterable[str]) -> None:
        self._waiting.pop(instance, None)
        self._holding[instance] = frozenset(gpus)

    def leave(self, instance: str) -> None:
        self._holding.pop(instance, None)
        self._waiting.pop(instance, None)
