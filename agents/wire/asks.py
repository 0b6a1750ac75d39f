"""What a console may ask, and the answers; told apart by `op`. Who may ask what is decided in agents.verbs."""

from typing import TypeVar

import msgspec

from profiles.model import DesiredInstance
from profiles.revision import Revision


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


MAX_PROFILE_TEXT_CHARS = 128 * 1024
"""A longer text is refused; the change itself needs none."""


class SetDesired(Change, frozen=True, kw_only=True):
    """Replace the desired instances. Refused with `stale` unless the node is at `expected_generation`.

    Every verb (start, stop, restart, apply) is this request.
    """

    expected_generation: int
    instances: dict[str, DesiredInstance]
    author: str
    reason: str
    profile_text: str = ""
    """The file that the instances come from, kept with the revision; "" where there is none."""


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


class ReadRevisions(Ask, frozen=True, kw_only=True):
    """The heads of the desired documents that the node keeps."""


class ReadRevision(Ask, frozen=True, kw_only=True):
    """The whole document that stood at `generation`. Refused with `not_found` when it is no longer kept."""

    generation: int


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


class Revisions(Answer, frozen=True, kw_only=True):
    """Oldest first."""

    revisions: tuple[Revision, ...]


class RevisionDocument(Answer, frozen=True, kw_only=True):
    """`head.generation` is where the document began to stand: at most the one that was asked for."""

    head: Revision
    instances: dict[str, DesiredInstance]
    profile_text: str = ""


AnyAsk = SetDesired | ReadLog | ReadRevisions | ReadRevision
AnyAnswer = DesiredSet | LogPiece | Revisions | RevisionDocument
AnswerT = TypeVar("AnswerT", bound=Answer)
"""The kind of answer that an ask expects."""
