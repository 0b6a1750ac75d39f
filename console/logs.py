"""One instance's log, piece by piece, over as many links as it takes.

the tail ──► piece, piece, … ──► its end, or with follow: what is added
                  └─ link lost ──► Interrupted … a piece again, from where it stopped
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from msgspec.structs import replace

from agents.wire import LogPiece, ReadLog
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.observed.status import Reason

PIECE_BYTES = 64 * 1024
FOLLOW_WAIT_S = 10.0
RETRY_EVERY_S = 0.5
RECONNECT_LIMIT_S = 60.0

Ask = Callable[[ReadLog], Awaitable[LogPiece]]
"""Of one node. Raises RequestFailed, or NodeUnreachable without a link."""


class Interrupted(msgspec.Struct, frozen=True):
    """The link is lost. The next piece, even an empty one, says that it is back."""

    reason: Reason


async def tail(ask: Ask, instance: str, tail_bytes: int, *, previous: bool) -> AsyncIterator[LogPiece]:
    """The last `tail_bytes` of a log, and what was added to it meanwhile. Raises RequestFailed."""
    piece = await ask(ReadLog(instance=instance, limit_bytes=tail_bytes, previous=previous))
    yield piece
    while piece.text and piece.next_offset - piece.offset >= tail_bytes:
        offset = piece.next_offset
        piece = await ask(ReadLog(instance=instance, offset=offset, limit_bytes=PIECE_BYTES, previous=previous))
        if piece.text or piece.skipped_bytes:
            yield piece


async def follow(ask: Ask, instance: str, tail_bytes: int, *, previous: bool) -> AsyncIterator[LogPiece | Interrupted]:
    """The last `tail_bytes` of a log, then what is added, until cancelled.

    Raises RequestFailed, and NodeUnreachable where the link has not come back after RECONNECT_LIMIT_S.
    """
    body = ReadLog(instance=instance, limit_bytes=tail_bytes, previous=previous)
    incarnation: int | None = None
    lost_at: float | None = None
    now = asyncio.get_running_loop().time
    while True:
        try:
            piece = await ask(body)
        except RequestFailed as gone:
            if incarnation is None or not (isinstance(gone, NodeUnreachable) or gone.reason.code == "timeout"):
                raise
            if lost_at is None:
                lost_at = now()
                yield Interrupted(gone.reason)
            if now() - lost_at >= RECONNECT_LIMIT_S:
                raise _given_up(gone) from None
            body = replace(body, wait_s=0.0)  # to be told at once when it is back
            await asyncio.sleep(RETRY_EVERY_S)
            continue
        if incarnation not in (None, piece.incarnation) and piece.offset:
            body, incarnation = replace(body, offset=0), piece.incarnation  # the offset was one of the log before
            continue
        if piece.text or piece.skipped_bytes or incarnation is None or lost_at is not None:
            yield piece
        incarnation, lost_at = piece.incarnation, None
        body = replace(body, offset=piece.next_offset, limit_bytes=PIECE_BYTES, wait_s=FOLLOW_WAIT_S)


def _given_up(gone: RequestFailed) -> NodeUnreachable:
    text = f"no link to {gone.node} for {RECONNECT_LIMIT_S:.0f} s: {gone.reason.text}"
    hint = gone.reason.hint or "see that gpuyard-agent runs there"
    return NodeUnreachable(Reason(gone.reason.code, text, hint), gone.node)
