"""The text of a profile as its nodes have it on record."""

from agents.wire import ReadRevision, RevisionDocument
from console.back import recorded
from console.operations import Requests
from console.store import Store
from profiles.revisions.merged import ProfileRevision, stands


async def recorded_text(fleet: Requests, store: Store, profile: str) -> tuple[ProfileRevision | None, str]:
    """The revision that stands, and the text that came with it; "" where none did. Raises RequestFailed."""
    last = stands((await recorded(fleet, store)).of(profile))
    for node, head in last.on.items() if last else ():
        if head.has_text:
            ask = ReadRevision(generation=head.generation)
            return last, (await fleet.request(node, ask, RevisionDocument)).profile_text
    return last, ""
