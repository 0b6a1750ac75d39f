"""The mechanisms of a node as one: each slice goes to the one that serves its share mode."""

from collections.abc import Mapping, Sequence

from agents.fractions.mechanism import CannotGrant, Grant, Mechanism
from agents.fractions.timeslice import TimeSlice
from agents.fractions.whole import Whole
from engines.devices import ShareMode, Slice
from profiles.status import Reason


class Fractions:
    """`mechanisms` beyond a whole GPU and time slices, which every node has."""

    def __init__(self, mechanisms: Mapping[ShareMode, Mechanism] | None = None) -> None:
        always: dict[ShareMode, Mechanism] = {ShareMode.EXCLUSIVE: Whole(), ShareMode.TIMESLICE: TimeSlice()}
        self._mechanisms = always | dict(mechanisms or {})

    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        """All of `slices` or none. Raises CannotGrant."""
        env: dict[str, str] = {}
        granted: list[Slice] = []
        for mode, parts in by_mode(slices).items():
            if mode not in self._mechanisms:
                await self.release(instance, granted)
                raise CannotGrant("share_mode_unknown", f"this agent cannot share a GPU by {mode}", "upgrade it")
            try:
                env |= (await self._mechanisms[mode].grant(instance, parts)).env
            except CannotGrant:
                await self.release(instance, granted)
                raise
            granted += parts
        return Grant(env=env)

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        """The first that is wrong."""
        for mode, parts in by_mode(slices).items():
            if (mechanism := self._mechanisms.get(mode)) and (found := await mechanism.verify(instance, parts, pids)):
                return found
        return None

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        for mode, parts in by_mode(slices).items():
            if mechanism := self._mechanisms.get(mode):
                await mechanism.release(instance, parts)


def by_mode(slices: Sequence[Slice]) -> dict[ShareMode, list[Slice]]:
    found: dict[ShareMode, list[Slice]] = {}
    for one in slices:
        found.setdefault(one.share_mode, []).append(one)
    return found
