"""A GPU whose tenants compute one after the other. Who keeps to its memory does so by its engine's own flag.

Nothing is set up and nothing can be verified: what the tenants really hold is in the readings of the GPU.
"""

from collections.abc import Sequence

from agents.fractions.mechanism import Grant
from engines.devices import Slice
from profiles.observed.status import Reason


class TimeSlice:
    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        return Grant()

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        return None

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        return
