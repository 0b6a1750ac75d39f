"""Giving a revision of a profile a name, on every node that keeps it."""

import asyncio
import secrets
from collections.abc import Iterable

from msgspec.structs import replace

from agents.wire import SetTag, TagSet
from console.operations import Applied, Requests
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.revisions.merged import ProfileRevision


async def tag(fleet: Requests, revision: ProfileRevision, name: str) -> tuple[Applied, ...]:
    """The answer of each node."""
    ask = SetTag(profile=revision.profile, tag=name, number=revision.number, digest=revision.digest)
    return await _all(fleet, revision.on, ask)


async def untag(fleet: Requests, profile: str, name: str, nodes: Iterable[str]) -> tuple[Applied, ...]:
    """The answer of each node."""
    return await _all(fleet, nodes, SetTag(profile=profile, tag=name))


async def _all(fleet: Requests, nodes: Iterable[str], ask: SetTag) -> tuple[Applied, ...]:
    return tuple(await asyncio.gather(*(_one(fleet, node, ask) for node in nodes)))


async def _one(fleet: Requests, node: str, ask: SetTag) -> Applied:
    try:
        await fleet.request(node, replace(ask, key=secrets.token_hex(16)), TagSet)
    except RequestFailed as failed:
        return Applied(node, False, failed.reason, isinstance(failed, NodeUnreachable))
    return Applied(node, True)
