"""The journals of applies on the nodes: begun, noted, found again by a console that has nothing else."""

import asyncio
import secrets
from collections.abc import Collection, Iterable, Mapping

from agents.wire import AnswerT, Applies, ApplyBegun, ApplyNoted, BeginApply, NoteApply, ReadApplies
from console.operations import Applied, Requests
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.observed.status import Reason
from profiles.revisions.applyjournal import ApplyJournal, ApplyState, joined, renamed

DEADLINE_S = 10.0
BUSY_S = 0.6
TRIES = 20
"""A node takes two changes a second from one person."""


def new_id() -> str:
    return secrets.token_hex(4)


async def begin(
    fleet: Requests, journal: ApplyJournal, tokens: Mapping[str, int]
) -> tuple[ApplyJournal, tuple[Applied, ...]]:
    """The journal with what the nodes say was there before, and which of them did not begin it."""

    async def one(node: str) -> ApplyJournal | Applied:
        ask = BeginApply(
            node=node, journal=journal.part(node), key=secrets.token_hex(16),
            token=tokens[node],
        )  # fmt: skip
        try:
            return (await _patiently(fleet, node, ask, ApplyBegun)).journal
        except RequestFailed as failed:
            return Applied(node, False, failed.reason, isinstance(failed, NodeUnreachable))

    found = await asyncio.gather(*(one(node) for node in journal.nodes))
    refused = tuple(answer for answer in found if isinstance(answer, Applied))
    begun = [answer for answer in found if isinstance(answer, ApplyJournal)]
    return (joined(begun) if begun else journal), refused


async def note(
    fleet: Requests, journal: ApplyJournal, nodes: Iterable[str], tokens: Mapping[str, int], state: ApplyState,
    wave: int | None = None, why: Reason | None = None,
) -> tuple[Applied, ...]:  # fmt: skip
    """The nodes that did not take the note. One that has closed the journal already is not among them."""

    async def one(node: str) -> Applied | None:
        ask = NoteApply(profile=journal.profile, id=journal.id, state=state, wave=wave, why=why,
                        key=secrets.token_hex(16), token=tokens.get(node))  # fmt: skip
        try:
            await _patiently(fleet, node, ask, ApplyNoted)
        except RequestFailed as failed:
            if failed.reason.code == "not_found" and not state.is_open:
                return None
            return Applied(node, False, failed.reason, isinstance(failed, NodeUnreachable))
        return None

    return tuple(found for found in await asyncio.gather(*map(one, nodes)) if found)


async def read(fleet: Requests, nodes: Collection[str]) -> list[ApplyJournal]:
    """The open applies that these nodes take part in, each under the names that this console has for its nodes."""

    async def one(node: str) -> list[tuple[str, ApplyJournal]]:
        try:
            found = await fleet.request(node, ReadApplies(), Applies, deadline_s=DEADLINE_S)
        except RequestFailed:
            return []  # who is missed by an apply is named when it is gone on with
        return [(node, part) for part in found.journals]

    parts: dict[str, list[ApplyJournal]] = {}
    names: dict[str, dict[str, str]] = {}
    for found in await asyncio.gather(*map(one, nodes)):
        for node, part in found:
            parts.setdefault(part.id, []).append(part)
            names.setdefault(part.id, {}).update(dict.fromkeys(part.edits, node))
    return [renamed(joined(kept), names[of]) for of, kept in parts.items() if any(part.state.is_open for part in kept)]


async def _patiently(fleet: Requests, node: str, ask: BeginApply | NoteApply, kind: type[AnswerT]) -> AnswerT:
    """Again while the node says that this is too fast, or its link is being made anew: the key keeps it from being done
    twice. Raises RequestFailed."""
    for _ in range(TRIES):
        try:
            return await fleet.request(node, ask, kind, deadline_s=DEADLINE_S)
        except RequestFailed as failed:
            if failed.reason.code != "busy" and not isinstance(failed, NodeUnreachable):
                raise
        await asyncio.sleep(BUSY_S)
    return await fleet.request(node, ask, kind, deadline_s=DEADLINE_S)
