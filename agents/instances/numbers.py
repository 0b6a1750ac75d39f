"""The numbers of a profile's revisions on one node: one number never stands for two meanings."""

import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from agents.errors import Refused
from profiles.desired.model import Desired, DesiredInstance
from profiles.desired.standing import Standing
from profiles.revisions.numbering import part
from profiles.revisions.revision import Revision

MAX_NODES = 4096
MAX_GONE = 64
"""Profiles without an instance here whose number is remembered."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check(applies: Standing, current: Desired, heads: Iterable[Revision]) -> None:
    """Raises Refused: `invalid`, or `stale` for a number that was given out already."""
    name, number = applies.profile, applies.number
    if not _NAME.fullmatch(name) or number < 1 or not _DIGEST.fullmatch(applies.digest):
        raise Refused("invalid", f"{name!r} r{number} is no revision of a profile", "see the docs")
    if len(applies.nodes) > MAX_NODES:
        raise Refused("invalid", f"a revision of {len(applies.nodes)} nodes, a node records {MAX_NODES}")
    here = current.standing.get(name)
    if here is None or number > here.last or applies.same(here):
        return
    told = [head.applied for head in heads if head.applied]
    known = [one for one in told if (one.profile, one.number) == (name, number)]
    if any(applies.same(one) for one in known):
        return
    text = f"r{number} of {name} was given out already, the newest here is r{here.last}"
    if known:
        text = f"r{number} of {name} is another revision here, by {known[-1].author or 'nobody'}"
    raise Refused("stale", text, "plan again: it gets the next number")


def stamped(
    old: Mapping[str, Standing], instances: Mapping[str, DesiredInstance], applies: Standing | None, author: str,
    at_unix_s: float,
) -> dict[str, Standing]:  # fmt: skip
    """What stands once `applies` is taken; of profiles that are gone from here the newest are remembered."""
    if applies is None:
        return dict(old)
    name = applies.profile
    last = max(applies.number, old[name].last if name in old else 0)
    new = replace(applies, nodes=(), author=author, at_unix_s=at_unix_s, here=part(instances, name), last=last)
    owners = {owned.profile for owned in instances.values()}
    found = {**old, name: new}
    gone = sorted(found.keys() - owners, key=lambda one: found[one].at_unix_s)
    for forgotten in gone[:-MAX_GONE]:
        del found[forgotten]
    return found
