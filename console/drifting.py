"""Drift of profiles on the nodes that answer. A node is only asked what it keeps where it was edited by hand."""

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from agents.wire import ReadRevision, ReadRevisions, RevisionDocument, Revisions
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import NodeView, Store
from profiles.desired.standing import Standing
from profiles.revisions.drift import Drift, edited, lagging
from profiles.revisions.heads import of_revision
from profiles.revisions.numbering import part
from profiles.revisions.revision import Document, Revision, meaning


class Drifted(msgspec.Struct, frozen=True):
    """By node and instance; `refused` says of which nodes it is not known what was wanted."""

    drifts: list[Drift]
    refused: dict[str, RequestFailed] = {}


def is_edited(view: NodeView, profile: str) -> bool:
    """Whether what `view` is asked for of `profile` is another than its revision there; no node is asked."""
    stands = view.desired.standing.get(profile)
    return stands is not None and stands.here != part(view.desired.instances, profile)


async def find_drift(fleet: Requests, store: Store, profiles: Iterable[str]) -> Drifted:
    views = [view for view in store.nodes.values() if view.counted]
    found: list[Drift] = []
    refused: dict[str, RequestFailed] = {}

    async def one(view: NodeView, profile: str, stands: Standing) -> None:
        try:
            found.extend(await _edits(fleet, view, stands))
        except RequestFailed as failed:
            refused[view.name] = failed

    asks = []
    for profile in profiles:
        newest = max((view.desired.standing[profile].number for view in views if profile in view.desired.standing),
                     default=0)  # fmt: skip
        for view in views:
            stands = view.desired.standing.get(profile)
            if stands is not None and stands.number != newest and _owns(view, profile):
                found.append(Drift(node=view.name, profile=profile, key="revision", wanted=f"r{newest}",
                                   desired=f"r{stands.number}"))  # fmt: skip
            if stands is not None and is_edited(view, profile):
                asks.append(one(view, profile, stands))
            found.extend(lagging(view.name, profile, view.desired.instances, view.instances.values()))
    await asyncio.gather(*asks)
    return Drifted(sorted(found, key=lambda drift: (drift.profile, drift.node, drift.instance, drift.key)), refused)


def _owns(view: NodeView, profile: str) -> bool:
    return any(owned.profile == profile for owned in view.desired.instances.values())


async def _edits(fleet: Requests, view: NodeView, stands: Standing) -> list[Drift]:
    """With who made each, as far back as the node remembers. Raises RequestFailed."""
    heads = (await fleet.request(view.name, ReadRevisions(), Revisions)).revisions
    applied = of_revision(heads, stands)
    if not applied:
        return [Drift(node=view.name, profile=stands.profile, key="revision", wanted=f"r{stands.number}",
                      desired="edited, and the node does not keep what it was")]  # fmt: skip
    then = await _document(fleet, view, applied[-1])
    found = edited(view.name, stands.profile, then, view.desired.instances)
    who: dict[str, Revision] = {}
    before = then
    for head in heads:
        if head.generation > applied[-1].generation:
            after = await _document(fleet, view, head)
            who |= dict.fromkeys(_touched(before, after), head)
            before = after
    return [_by(one, who.get(one.instance)) for one in found]


def _by(one: Drift, maker: Revision | None) -> Drift:
    if maker is None:
        return one
    return replace(one, author=maker.author, reason=maker.reason, at_unix_s=maker.at_unix_s)


def _touched(before: Document, after: Document) -> list[str]:
    def meant(document: Document, name: str) -> object:
        return meaning(document[name]) if name in document else None

    return [name for name in before.keys() | after.keys() if meant(before, name) != meant(after, name)]


async def _document(fleet: Requests, view: NodeView, head: Revision) -> Document:
    return (await fleet.request(view.name, ReadRevision(generation=head.generation), RevisionDocument)).instances
