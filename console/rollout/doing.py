"""What an apply needs of console.operations.Operations."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from agents.wire import LogPiece
from console.logs import Interrupted
from console.operations import Applied
from console.settling import Settling
from profiles.plan import Plan


class Doing(Protocol):
    async def apply(self, plan: Plan, reason: str, tokens: Mapping[str, int]) -> tuple[Applied, ...]: ...
    def wait_settled(self, plan: Plan, limit_s: float) -> AsyncIterator[Settling]: ...
    def log(
        self, node: str, instance: str, *, previous: bool = False, tail_bytes: int = 65536, follow: bool = False
    ) -> AsyncIterator[LogPiece | Interrupted]: ...
