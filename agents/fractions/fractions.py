"""The mechanisms of a node as one: the slices of an instance go to the one that serves their share mode."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from agents.fractions.mechanism import CannotGrant, Grant, Mechanism
from agents.fractions.timeslice import TimeSlice
from agents.fractions.whole import Whole
from engines.devices import ShareMode, Slice
from profiles.observed.status import Reason


@runtime_checkable
class Resumes(Protocol):
    """Optional: a mechanism that takes up what an earlier agent left, before any engine of this one starts."""

    async def resume(self) -> None: ...


class Fractions:
    """`mechanisms` beyond a whole GPU and time slices, which every node has."""

    def __init__(self, mechanisms: Mapping[ShareMode, Mechanism] | None = None) -> None:
        always: dict[ShareMode, Mechanism] = {ShareMode.EXCLUSIVE: Whole(), ShareMode.TIMESLICE: TimeSlice()}
        self._mechanisms = always | dict(mechanisms or {})

    async def resume(self) -> None:
        for mechanism in self._mechanisms.values():
            if isinstance(mechanism, Resumes):
                await mechanism.resume()

    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        """Raises CannotGrant."""
        modes = sorted({one.share_mode for one in slices})
        if len(modes) > 1:
            # What one of them sets in the environment holds for every GPU of the process.
            text = f"one engine cannot have GPUs shared in several ways ({', '.join(modes)})"
            raise CannotGrant("share_modes_mixed", text, "ask for GPUs of one share mode")
        if not modes:
            return Grant()
        if modes[0] not in self._mechanisms:
            raise CannotGrant("share_mode_unknown", f"this agent cannot share a GPU by {modes[0]}", "upgrade it")
        return await self._mechanisms[modes[0]].grant(instance, slices)

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        mechanism = self._of(slices)
        return await mechanism.verify(instance, slices, pids) if mechanism else None

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        if mechanism := self._of(slices):
            await mechanism.release(instance, slices)

    def _of(self, slices: Sequence[Slice]) -> Mechanism | None:
        return self._mechanisms.get(slices[0].share_mode) if slices else None
