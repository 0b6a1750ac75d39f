"""Asks and answers about applies: what a node keeps of each, so that any console can go on."""

from agents.wire.base import Answer, Ask, Change
from profiles.observed.status import Reason
from profiles.revisions.applyjournal import ApplyJournal, ApplyState


class BeginApply(Change, frozen=True, kw_only=True):
    """Keep `journal`, of which `edits` has this node alone, under the name that `journal.waves` has for it.

    The node writes down itself what is there before. An open one of the same profile is superseded.
    """

    node: str
    journal: ApplyJournal


class NoteApply(Change, frozen=True, kw_only=True):
    """How far the apply `id` of `profile` is. Refused with `not_found` when another took its place, or it is over."""

    profile: str
    id: str
    state: ApplyState
    wave: int | None = None
    """None leaves it."""
    why: Reason | None = None


class ReadApplies(Ask, frozen=True, kw_only=True):
    """The last apply of each profile that touched this node."""


class ApplyBegun(Answer, frozen=True, kw_only=True):
    """It is durable."""

    journal: ApplyJournal


class ApplyNoted(Answer, frozen=True, kw_only=True):
    """It is durable."""


class Applies(Answer, frozen=True, kw_only=True):
    """Open ones and closed ones."""

    journals: tuple[ApplyJournal, ...]


ApplyAsk = BeginApply | NoteApply | ReadApplies
ApplyAnswer = ApplyBegun | ApplyNoted | Applies
