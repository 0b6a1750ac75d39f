"""Where the profiles that stand on the nodes let their services run: read from the texts that the nodes keep.

A slice no longer says which nodes it was for; the profile that it comes from does.
"""

from collections.abc import Iterable

from agents.wire import ReadRevision, ReadRevisions, RevisionDocument, Revisions
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import Store
from profiles.desired.model import PlaceRequest
from profiles.files.load import parse_profile
from profiles.text.document import FileError
from profiles.text.yamltext import read

DEADLINE_S = 10.0


async def places(fleet: Requests, store: Store, profiles: Iterable[str]) -> dict[tuple[str, str], PlaceRequest]:
    """(profile, service) → what is said of its place. A profile whose text is not kept is left out."""
    found: dict[tuple[str, str], PlaceRequest] = {}
    for profile in sorted(set(profiles)):
        for view in store.nodes.values():
            if not view.counted or all(owned.profile != profile for owned in view.desired.instances.values()):
                continue
            if text := await _text(fleet, view.name, profile):
                found |= _places(profile, text)
                break
    return found


async def _text(fleet: Requests, node: str, profile: str) -> str:
    """Of the newest revision of `profile` that a node keeps with its text; "" where there is none."""
    try:
        heads = (await fleet.request(node, ReadRevisions(), Revisions, deadline_s=DEADLINE_S)).revisions
        for head in reversed(heads):
            if head.has_text and head.applied is not None and head.applied.profile == profile:
                ask = ReadRevision(generation=head.generation)
                return (await fleet.request(node, ask, RevisionDocument, deadline_s=DEADLINE_S)).profile_text
    except RequestFailed:
        return ""
    return ""


def _places(profile: str, text: str) -> dict[tuple[str, str], PlaceRequest]:
    """Nothing of a text that this version does not read."""
    try:
        services = parse_profile(read(text, profile)).services
    except FileError:
        return {}
    return {(profile, name): service.place for name, service in services.items()}
