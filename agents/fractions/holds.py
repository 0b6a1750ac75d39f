"""GPUs on which nothing may start just now, and which engines there have to go. Bookkeeping; keepers come and ask.

    hold ──► an engine on what goes is drained, stopped and kept pending; nothing starts ──► lift ──► it starts again

An instance that is held back stays wanted as it is: no document is edited, so nothing has to be edited back.
"""

from collections.abc import Iterable

import msgspec

from engines.devices import MigSlot, Slice
from profiles.observed.status import Reason


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`stays` are the MIG instances whose engines go on, None those without one; `opens` lets new ones start there."""

    reason: Reason
    stays: frozenset[MigSlot | None] = frozenset()
    opens: bool = False


class Holds:
    """By the GPU's UUID."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def hold(self, gpu_uuid: str, hold: Hold) -> None:
        self._holds[gpu_uuid] = hold

    def lift(self, gpu_uuid: str) -> None:
        self._holds.pop(gpu_uuid, None)

    def against_start(self, slices: Iterable[Slice]) -> Reason | None:
        """Why an engine may not start on them now."""
        for one in slices:
            hold = self._holds.get(one.gpu_uuid)
            if hold and not (hold.opens and one.mig in hold.stays):
                return hold.reason
        return None

    def against_stay(self, slices: Iterable[Slice]) -> Reason | None:
        """Why one that runs on them has to go."""
        for one in slices:
            hold = self._holds.get(one.gpu_uuid)
            if hold and one.mig not in hold.stays:
                return hold.reason
        return None
