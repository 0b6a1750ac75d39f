"""What a console may ask, and the answers; told apart by `op`. Who may ask what is decided in agents.verbs."""

from typing import TypeVar

import msgspec

from profiles.model import DesiredInstance


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


class SetDesired(Change, frozen=True, kw_only=True):
    """Replace the desired instances. Refused with `stale` unless the node is at `expected_generation`.

    Every verb (start, stop, restart, apply) is this request.
    """

    expected_generation: int
    instances: dict[str, DesiredInstance]
    author: str
    reason: str


class ReadLog(Ask, frozen=True, kw_only=True):
    """A piece of an instance's log.

    `offset` None reads the last `limit_bytes`; an offset at the end waits up to `wait_s` for more.
    `previous` reads the log of the incarnation before this one.
    """

    instance: str
    offset: int | None = None
    limit_bytes: int = 64 * 1024
    wait_s: float = 0.0
    previous: bool = False


class DesiredSet(Answer, frozen=True, kw_only=True):
    """The new desired document is durable; its effects follow as Deltas and Events."""

    generation: int


class LogPiece(Answer, frozen=True, kw_only=True):
    """Bytes of a log as text, cut at line ends where there are any.

    `offset`–`next_offset` is what was read; `skipped_bytes` were freed before they could be read.
    `incarnation` counts the starts of the instance: when it changes, offsets begin anew.
    """

    text: str
    offset: int
    next_offset: int
    incarnation: int = 0
    skipped_bytes: int = 0


AnyAsk = SetDesired | ReadLog
AnyAnswer = DesiredSet | LogPiece
AnswerT = TypeVar("AnswerT", bound=Answer)
"""The kind of answer that an ask expects."""
