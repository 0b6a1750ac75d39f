"""What is asked and answered about names for revisions of profiles."""

from agents.wire.base import Answer, Change


class SetTag(Change, frozen=True, kw_only=True):
    """Call revision `number` of a profile `tag`; 0 takes the name away. Who has the name already loses it.

    Refused with `not_found` where the node does not keep that revision with that `digest`.
    """

    profile: str
    tag: str
    number: int = 0
    digest: str = ""


class TagSet(Answer, frozen=True, kw_only=True):
    """Durable. `before` is the number that had the name, 0 for none."""

    before: int = 0
