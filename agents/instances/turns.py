"""One engine loads on a GPU at a time, the longest waiting first. Pure bookkeeping; the caller comes back to ask.

Two engines that measure a GPU's free memory at once both measure wrong.
"""

from collections.abc import Iterable

import msgspec


class Blocker(msgspec.Struct, frozen=True):
    """Who goes first: an instance that is `loading`, or one that waits for longer."""

    instance: str
    loading: bool

    def text(self) -> str:
        return f"{self.instance} {'loads' if self.loading else 'has waited for longer to load'} on the same GPU"


class Turns:
    """`hold` when an engine starts or is found loading, `leave` when it no longer loads or waits."""

    def __init__(self) -> None:
        self._holding: dict[str, frozenset[str]] = {}
        self._waiting: dict[str, frozenset[str]] = {}

    def ask(self, instance: str, gpus: Iterable[str]) -> Blocker | None:
        """None is the turn, which is then held. A refusal keeps the place in the queue."""
        wanted = frozenset(gpus)
        waits_since = list(self._waiting).index(instance) if instance in self._waiting else len(self._waiting)
        for other, held in self._holding.items():
            if other != instance and held & wanted:
                self._waiting[instance] = wanted
                return Blocker(other, loading=True)
        for other, asked in list(self._waiting.items())[:waits_since]:
            if asked & wanted:
                self._waiting[instance] = wanted
                return Blocker(other, loading=False)
        self._waiting.pop(instance, None)
        self.hold(instance, wanted)
        return None

    def hold(self, instance: str, gpus: Iterable[str]) -> None:
        self._holding[instance] = frozenset(gpus)

    def leave(self, instance: str) -> None:
        self._holding.pop(instance, None)
        self._waiting.pop(instance, None)
