"""What goes into a capsule, asked of the nodes: metrics, events, revisions with their profiles, the last of logs.

What a node does not tell is left out and said; nothing waits for a node that does not answer.
"""

import asyncio
from collections.abc import Iterable

from msgspec.structs import replace

from agents.wire import (
    History,
    LogPiece,
    ReadHistory,
    ReadLog,
    ReadRevision,
    ReadRevisions,
    RevisionDocument,
    Revisions,
)  # fmt: skip
from console.capsule.pack import Capsule, NodeCapsule
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import NodeView, Store
from profiles.observed.history import HISTOGRAMS, HistoryKind
from profiles.observed.status import NodeStatus
from profiles.revisions.revision import Revision

LAST_S = 900.0
LONGEST_S = 24 * 3600.0
FINE_UP_TO_S = 900.0
"""Nodes remember so long by the second."""
FINE_S, COARSE_S = 1.0, 10.0
LOG_TAIL_BYTES = 32 * 1024
AT_ONCE = 8


async def gather(fleet: Requests, store: Store, last_s: float = LAST_S) -> Capsule:
    """The last `last_s` of every node that answers."""
    to_unix_s = store.wall()
    turn = asyncio.Semaphore(AT_ONCE)
    left_out = [f"{view.name}: it is {view.state}" for view in store.nodes.values() if not view.counted]

    async def one(view: NodeView, status: NodeStatus) -> NodeCapsule:
        async with turn:
            asked = _Asked(fleet, view, to_unix_s + view.clock_skew_s, last_s, left_out)
            return await asked.all(status)

    seen = [(view, view.observed()) for view in store.nodes.values() if view.counted]
    nodes = await asyncio.gather(*(one(view, status) for view, status in seen if status))
    return Capsule(
        from_unix_s=to_unix_s - last_s, to_unix_s=to_unix_s, nodes=tuple(nodes), left_out=tuple(sorted(left_out))
    )


class _Asked:
    """One node and the window, by its clock."""

    def __init__(self, fleet: Requests, view: NodeView, to_unix_s: float, last_s: float, left_out: list[str]) -> None:
        self._fleet, self._view = fleet, view
        self._from_unix_s, self._to_unix_s = to_unix_s - last_s, to_unix_s
        self._step_s = FINE_S if last_s <= FINE_UP_TO_S else COARSE_S
        self._left_out = left_out

    async def all(self, status: NodeStatus) -> NodeCapsule:
        view = self._view
        revisions = await self._revisions()
        return NodeCapsule(
            name=view.name, site=view.site, labels=dict(view.labels), owner=view.owner,
            clock_skew_s=view.clock_skew_s, status=status, desired=view.desired,
            events=tuple(event for event in view.events if event.at_unix_s >= self._from_unix_s),
            history={kind: await self._history(kind, (), self._step_s) for kind in HistoryKind},
            latencies=await self._history(HistoryKind.INSTANCE, HISTOGRAMS, COARSE_S),
            revisions=revisions, documents=await self._documents(revisions.revisions),
            logs=await self._logs(instance.name for instance in status.instances),
        )  # fmt: skip

    async def _history(self, kind: HistoryKind, fields: tuple[str, ...], step_s: float) -> tuple[History, ...]:
        ask = ReadHistory(kind=kind, fields=fields, from_unix_s=self._from_unix_s, to_unix_s=self._to_unix_s,
                          step_s=step_s)  # fmt: skip
        pieces: list[History] = []
        while True:
            try:
                piece = await self._fleet.request(self._view.name, ask, History)
            except RequestFailed as failed:
                self._say(f"metrics of {kind}", failed)
                return tuple(pieces)
            pieces.append(piece)
            if piece.next_from_unix_s is None:
                return tuple(pieces)
            ask = replace(ask, from_unix_s=piece.next_from_unix_s)

    async def _revisions(self) -> Revisions:
        try:
            return await self._fleet.request(self._view.name, ReadRevisions(), Revisions)
        except RequestFailed as failed:
            self._say("revisions", failed)
            return Revisions(revisions=())

    async def _documents(self, revisions: tuple[Revision, ...]) -> tuple[RevisionDocument, ...]:
        before = [head for head in revisions if (head.at_unix_s or 0.0) < self._from_unix_s]
        found = []
        for head in (*before[-1:], *(head for head in revisions if head not in before)):
            try:
                ask = ReadRevision(generation=head.generation)
                found.append(await self._fleet.request(self._view.name, ask, RevisionDocument))
            except RequestFailed as failed:
                self._say(f"the document of generation {head.generation}", failed)
        return tuple(found)

    async def _logs(self, instances: Iterable[str]) -> dict[str, str]:
        logs: dict[str, str] = {}
        for instance in instances:
            try:
                ask = ReadLog(instance=instance, limit_bytes=LOG_TAIL_BYTES)
                logs[instance] = (await self._fleet.request(self._view.name, ask, LogPiece, bulk=True)).text
            except RequestFailed as failed:
                self._say(f"the log of {instance}", failed)
        return logs

    def _say(self, what: str, failed: RequestFailed) -> None:
        self._left_out.append(f"{self._view.name}: {what}: {failed.reason.text}")
