"""What a revision of a profile changed on each of its nodes, asked of them."""

import asyncio

from agents.wire import ReadRevision, RevisionDocument
from console.back import Recorded
from console.operations import Requests
from console.remote.errors import RequestFailed
from profiles.observed.status import Reason
from profiles.revisions.heads import began, of_revision, predecessor
from profiles.revisions.merged import ProfileRevision
from profiles.revisions.revision import Difference, Document, Revision, changed

Changes = dict[str, tuple[Difference, ...] | Reason]
"""By node; a Reason says why it is not known."""


async def revision_changes(fleet: Requests, kept: Recorded, revision: ProfileRevision) -> Changes:
    async def one(node: str) -> tuple[Difference, ...] | Reason:
        heads = kept.records[node].heads
        last = of_revision(heads, revision.standing)[-1]
        upto = [head for head in heads if head.generation <= last.generation]
        first = began(upto, revision.standing)
        before = predecessor(heads, first) if first else None
        if before is None:
            return Reason("gone", "what was before it is no longer kept")
        try:
            then, now = [await _part(fleet, node, head, revision.profile) for head in (before, last)]
        except RequestFailed as failed:
            return failed.reason
        return changed(then, now)

    return dict(zip(revision.on, await asyncio.gather(*(one(node) for node in revision.on)), strict=True))


async def _part(fleet: Requests, node: str, head: Revision, profile: str) -> Document:
    document = await fleet.request(node, ReadRevision(generation=head.generation), RevisionDocument)
    return {name: owned for name, owned in document.instances.items() if owned.profile == profile}
