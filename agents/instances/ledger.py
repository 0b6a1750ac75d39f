"""What others have claimed of GPUs: arithmetic alone. GPUs are given whole, so a claim on one is on all of it."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from engines.devices import Slice
from profiles.status import GpuClaim

Claimed = Mapping[str, Sequence[GpuClaim]]
"""By the GPU's UUID."""


class Conflict(msgspec.Struct, frozen=True):
    """A GPU that is wanted, and who has it."""

    wanted: Slice
    claim: GpuClaim

    def text(self) -> str:
        return f"GPU {self.wanted.gpu_index} is claimed by the agent of {self.claim.user} for {self.claim.instance}"


def conflict(wanted: Iterable[Slice], claimed: Claimed) -> Conflict | None:
    """The first of `wanted` that somebody else has."""
    return next((Conflict(one, claim) for one in wanted for claim in claimed.get(one.gpu_uuid, ())), None)


def reserved_mib(total_mib: int | None, claims: Iterable[GpuClaim]) -> int | None:
    """What is not for us, at most all of it; None where a whole GPU of unknown size is."""
    parts = [total_mib if claim.memory_mib is None else claim.memory_mib for claim in claims]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return sum(known) if total_mib is None else min(sum(known), total_mib)
