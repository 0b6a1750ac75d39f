"""What every way of sharing a GPU can be asked: before an engine starts, once it is ready, and after it is gone.

grant ──► the engine starts with its environment ──► verify ──► … ──► release
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from agents.errors import AgentError
from engines.devices import Slice
from profiles.observed.status import Reason


class CannotGrant(AgentError):
    """The part of the GPU cannot be had; `code` is one of the reason codes in docs/phases.md.

    `again` is whether that may change by itself, so that the start is tried again after a pause.
    """

    def __init__(self, code: str, message: str, hint: str = "", *, again: bool = False) -> None:
        super().__init__(message, hint)
        self.reason = Reason(code, message, hint)
        self.again = again


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What the start of an engine adds to its environment; it wins over what the adapter says."""

    env: dict[str, str] = {}


class Mechanism(Protocol):
    """`slices` are those of one instance that this mechanism serves, one GPU each, never none.

    Every call may come again: after a crash the next agent grants what was granted, and releases what was released.
    """

    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        """Make ready what the engine will run in. Raises CannotGrant."""
        ...

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        """Why its processes on the GPU, `pids`, are not held to their part; None where they are, or nobody could."""
        ...

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        """Its processes are gone; what nobody else uses may go too."""
        ...
