"""One engine loads on a GPU at a time, by priority, then the longest waiting. Pure bookkeeping; the caller comes back
to ask.

Two engines that measure a GPU's free memory at once both measure wrong; and where an engine left processes that
cannot be killed, or memory that does not come back, the driver is not to be trusted with another.
"""

import itertools
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from profiles.desired.priority import NORMAL, PRIORITIES


class Before(StrEnum):
    """What another instance does that comes first."""

    LOADS = "loads"
    IS_NEXT = "is next to load"
    LEFT = "left something"


class Blocker(msgspec.Struct, frozen=True):
    """Who comes first, and why."""

    instance: str
    before: Before

    def text(self) -> str:
        return f"{self.instance} {self.before} on the same GPU"


class _Waiting(msgspec.Struct, frozen=True):
    rank: tuple[int, int]
    gpus: frozenset[str]


class Turns:
    """`hold` when an engine starts or is found loading, `leave` when it no longer loads or waits.

    `leave_behind` says where something of an ended engine still is, until it is nowhere.
    """

    def __init__(self) -> None:
        self._holding: dict[str, frozenset[str]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._left: dict[str, frozenset[str]] = {}
        self._arrivals = itertools.count()

    def ask(self, instance: str, gpus: Iterable[str], priority: int = PRIORITIES[NORMAL]) -> Blocker | None:
        """None is the turn, which is then held. A refusal keeps the place in the queue."""
        wanted = frozenset(gpus)
        rank = self.wait(instance, wanted, priority)
        for other, held in self._holding.items():
            if other != instance and held & wanted:
                return Blocker(other, Before.LOADS)
        before = [(one.rank, other) for other, one in self._waiting.items() if one.rank < rank and one.gpus & wanted]
        if before:
            return Blocker(min(before)[1], Before.IS_NEXT)
        self.hold(instance, wanted)
        return None

    def leave_behind(self, instance: str, gpus: Iterable[str]) -> None:
        """Something of it is on `gpus`, whoever has the turn."""
        self._left[instance] = frozenset(gpus)
        if not self._left[instance]:
            del self._left[instance]

    def left_by(self, instance: str, gpus: Iterable[str]) -> Blocker | None:
        """Who, other than `instance`, left something on one of `gpus`."""
        wanted = frozenset(gpus)
        found = (other for other, left in self._left.items() if other != instance and left & wanted)
        return next((Blocker(other, Before.LEFT) for other in found), None)

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
