"""The revisions of a profile, from what its nodes keep: one list, and who lacks what. Pure.

heads of fra-1 ─┐                       r119  stands on fra-1, fra-2      ana
heads of fra-2 ─┴► merged() ─► choose() r118  known-good; not on fra-3    bob
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from profiles.desired.standing import Standing
from profiles.observed.status import Reason
from profiles.revisions.revision import Revision

_NUMBER = re.compile(r"r?([0-9]{1,9})")
_BACK = re.compile(r"-([0-9]{1,4})")


class Record(msgspec.Struct, frozen=True):
    """What one node keeps: its heads, oldest first, and what stands there. Times are of its clock, `skew_s` ahead."""

    heads: tuple[Revision, ...]
    standing: Mapping[str, Standing] = {}
    skew_s: float = 0.0


class ProfileRevision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a profile on all nodes that keep it. `at_unix_s` is of this console's clock."""

    profile: str
    number: int
    digest: str
    on: dict[str, Revision]
    """Node → the head whose document is its part."""
    author: str = ""
    reason: str = ""
    at_unix_s: float | None = None
    what: str = ""
    tags: tuple[str, ...] = ()
    stands_on: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    """Nodes that it touches and that do not keep it, or do not answer."""
    disagrees: bool = False
    """Whether another revision has the same number: two consoles that did not see the same nodes."""

    @property
    def standing(self) -> Standing:
        return Standing(profile=self.profile, number=self.number, digest=self.digest)


def merged(records: Mapping[str, Record]) -> list[ProfileRevision]:
    """By profile, oldest first."""
    found: dict[tuple[str, int, str], ProfileRevision] = {}
    for node in sorted(records):
        record = records[node]
        for head in record.heads:
            if (applied := head.applied) is not None:
                key = (applied.profile, applied.number, applied.digest)
                before = found.get(key) or ProfileRevision(
                    profile=applied.profile, number=applied.number, digest=applied.digest, on={}
                )
                found[key] = _with(before, node, record, head)
    numbers = [key[:2] for key in found]
    return [
        replace(
            found[key],
            lacking=tuple(sorted(node for node in _touched(found[key]) if node not in found[key].on)),
            disagrees=numbers.count(key[:2]) > 1,
        )
        for key in sorted(found)
    ]


def stands(revisions: Iterable[ProfileRevision]) -> ProfileRevision | None:
    """The newest of one profile that stands anywhere."""
    return max((one for one in revisions if one.stands_on), key=lambda one: one.number, default=None)


def choose(profile: str, revisions: Sequence[ProfileRevision], word: str) -> ProfileRevision | Reason:
    """`r118`, `118`, a tag, or `-1`: the one before what stands. A Reason says why there is none."""
    ours = [one for one in revisions if one.profile == profile]
    hint = f"see `gpuyard revisions {profile}`"
    if not ours:
        known = ", ".join(sorted({one.profile for one in revisions})) or "none"
        return Reason("not_found", f"no node keeps a revision of {profile}", f"profiles with revisions: {known}")
    if back := _BACK.fullmatch(word):
        now = stands(ours)
        older = [one for one in ours if now and one.number < now.number]
        if not 1 <= int(back[1]) <= len(older):
            return Reason("not_found", f"{len(older)} revisions before the one that stands are kept", hint)
        return _one(profile, [older[-int(back[1])]], word, hint)
    if number := _NUMBER.fullmatch(word):
        return _one(profile, [one for one in ours if one.number == int(number[1])], word, hint)
    return _one(profile, [one for one in ours if word in one.tags], word, hint)


def _one(profile: str, fitting: Sequence[ProfileRevision], word: str, hint: str) -> ProfileRevision | Reason:
    if not fitting:
        return Reason("not_found", f"{word} of {profile} is not kept", hint)
    if len(fitting) > 1 or fitting[0].disagrees:
        text = f"two revisions of {profile} are called r{fitting[0].number}: its nodes disagree"
        return Reason("ambiguous", text, f"{hint}, and apply the profile's file to make one of them")
    return fitting[0]


def _with(before: ProfileRevision, node: str, record: Record, head: Revision) -> ProfileRevision:
    at_unix_s = None if head.at_unix_s is None else head.at_unix_s - record.skew_s
    times = [at for at in (before.at_unix_s, at_unix_s) if at is not None]
    here = record.standing.get(before.profile)
    said = [before.what, head.what if head.what != "nothing" else ""]
    return replace(
        before,
        on={**before.on, node: head},
        author=before.author or head.author,
        reason=before.reason or _why(head),
        at_unix_s=min(times, default=None),
        what="; ".join(dict.fromkeys(what for what in said if what)),
        tags=tuple(sorted({*before.tags, *head.tags})),
        stands_on=tuple(sorted({*before.stands_on, node})) if here and here.same(before.standing) else before.stands_on,
    )


def _why(head: Revision) -> str:
    failed = head.applied.takes_back if head.applied else 0
    return f"took back r{failed} ({head.reason})" if failed else head.reason


def _touched(revision: ProfileRevision) -> set[str]:
    return {node for head in revision.on.values() if head.applied for node in head.applied.nodes}
