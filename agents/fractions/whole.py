"""A whole GPU for one instance: nothing to set up, and nobody to be kept apart from. The ledger gives it out once."""

from collections.abc import Sequence

from agents.fractions.mechanism import Grant
from engines.devices import Slice
from profiles.observed.status import Reason


class Whole:
    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        return Grant()

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        return None

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        return
