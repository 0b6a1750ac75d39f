"""The documents that a node keeps: which of them stood when, and which may not be forgotten. Pure.

    5 ─follows─ 3        40 ─follows─ 39 ─follows─ 38        what stood between 5 and 38 is gone
    tagged               the newest

Heads are oldest first, by generation.
"""

from collections.abc import Iterable, Mapping, Sequence

from profiles.desired.standing import Standing
from profiles.revisions.revision import Revision


def stood(heads: Sequence[Revision], generation: int) -> Revision | None:
    """Whose document stood at `generation`; None where that is not kept."""
    found = None
    for head in heads:
        if head.generation > generation:
            gone = found is not None and head.follows not in (None, found.generation)
            return None if gone and found and found.generation != generation else found
        found = head
    return found


def predecessor(heads: Sequence[Revision], head: Revision) -> Revision | None:
    """Whose document `head` replaced; None where that is not kept."""
    older = [one for one in heads if one.generation < head.generation]
    if not older or head.follows not in (None, older[-1].generation):
        return None
    return older[-1]


def of_revision(heads: Iterable[Revision], revision: Standing) -> list[Revision]:
    """Those that applied `revision`: several where it went on in waves, or was applied again."""
    return [head for head in heads if head.applied is not None and head.applied.same(revision)]


def began(heads: Sequence[Revision], revision: Standing) -> Revision | None:
    """The first that applied `revision`, in its first wave. A number is given once: another one that stood in between
    was taken back, and left nothing."""
    return next(iter(of_revision(heads, revision)), None)


def meant(heads: Sequence[Revision], revision: Standing) -> Standing | None:
    """`revision`, or that which it returned to when an apply failed; None where nothing stood before that."""
    while revision.takes_back:
        older = [one for head in heads if (one := head.applied) and one.profile == revision.profile
                 and one.number < revision.takes_back and one.digest == revision.digest]  # fmt: skip
        if not older:
            return None
        revision = older[-1]
    return revision


def pinned(
    heads: Sequence[Revision], standing: Mapping[str, Standing], tagged: Iterable[Standing], newest: int
) -> set[int]:
    """The generations to keep: the `newest`, and what is tagged or stands, and what that replaced."""
    kept = {head.generation for head in heads[-newest:]}
    for revision in standing.values():
        if found := of_revision(heads, revision):
            replaced = predecessor(heads, began(heads, meant(heads, revision) or revision) or found[0])
            kept |= {found[-1].generation, replaced.generation if replaced else found[-1].generation}
    for revision in tagged:
        kept |= {head.generation for head in of_revision(heads, revision)[-1:]}
    return kept
