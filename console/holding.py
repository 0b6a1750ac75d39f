"""Holding nodes while something is rolled out, so that nobody else changes them meanwhile.

async with held(fleet, nodes, "apply chat.yaml") as tokens:
    …  every change of a node carries its token; the pings of the link keep the lease
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress

from agents.wire import LeaseReleased, LeaseTaken, ReleaseLease, TakeLease
from console.operations import Applied, Requests
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.observed.status import Reason

DEADLINE_S = 10.0
_ANY_GENERATION: Mapping[str, int] = {}


class NotHeld(Exception):
    """Some node did not give its lease, so that none is held and nothing was changed; `refused` says why."""

    def __init__(self, refused: tuple[Applied, ...]) -> None:
        super().__init__(refused)
        self.refused = refused


@asynccontextmanager
async def held(
    fleet: Requests, nodes: Collection[str], purpose: str, *, take_over: bool = False,
    expected: Mapping[str, int] = _ANY_GENERATION,
) -> AsyncIterator[Mapping[str, int]]:  # fmt: skip
    """The token of each node; given back at the end. Raises NotHeld.

    `take_over` takes leases from whoever holds them; that is an admin's. With `expected` none is held where one of the
    nodes is at another generation: what was planned together is changed together or not at all.
    """
    tokens: dict[str, int] = {}
    try:
        found = await asyncio.gather(*(_take(fleet, node, purpose, take_over, tokens, expected) for node in nodes))
        if refused := tuple(one for one in found if one):
            raise NotHeld(refused)
        yield tokens
    finally:
        await asyncio.gather(*(_release(fleet, node, token) for node, token in tokens.items()))


async def _take(
    fleet: Requests, node: str, purpose: str, take_over: bool, tokens: dict[str, int], expected: Mapping[str, int]
) -> Applied | None:
    ask = TakeLease(purpose=purpose, force=take_over, key=secrets.token_hex(16))
    try:
        taken = await fleet.request(node, ask, LeaseTaken, deadline_s=DEADLINE_S)
    except RequestFailed as failed:
        return Applied(node, False, failed.reason, isinstance(failed, NodeUnreachable))
    tokens[node] = taken.token
    now = taken.generation
    if now is not None and now != expected.get(node, now):
        text = f"the node is at generation {now}, not {expected[node]}: it was changed since the plan was made"
        return Applied(node, False, Reason("stale", text, "plan again"))
    return None


async def _release(fleet: Requests, node: str, token: int) -> None:
    """One that cannot be given back runs out by itself."""
    with suppress(RequestFailed):
        ask = ReleaseLease(token=token, key=secrets.token_hex(16))
        await fleet.request(node, ask, LeaseReleased, deadline_s=DEADLINE_S)
