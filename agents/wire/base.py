"""What asks and answers are made from; each is told apart by `op`."""

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag=str.lower):
    """Base of what a Request asks."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag=str.lower):
    """Base of what a Reply answers."""


class Change(Ask, frozen=True, kw_only=True):
    """Base of what changes a node.

    `key` names one intent of one person (128 random bits): sent again with the same key, a change is carried out
    once and answered alike. `token` is that of the lease which the sender holds; without one, nobody may hold it.
    """

    key: str = ""
    token: int | None = None
