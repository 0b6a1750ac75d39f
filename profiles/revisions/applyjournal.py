"""What is kept of an apply on every node that takes part in it, so that any console can go on with it. Pure.

    rolling ──► done                      a console that is gone leaves it as it is: the node finishes what it
       │ └────► rolling back ─► rolled back        was asked for last, and holds
       └──────► paused, until somebody goes on or rolls back

Each node has the waves of all, and its own instances as they were and as they should be: what else is needed to go on
is on the nodes that it is needed for.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from profiles.desired.model import DesiredInstance, Wanted
from profiles.desired.rollout import Rollout
from profiles.desired.standing import Standing
from profiles.observed.status import Reason
from profiles.plans.waves import Wave
from profiles.revisions.revision import meaning


class ApplyState(StrEnum):
    ROLLING = "rolling"
    PAUSED = "paused"
    ROLLING_BACK = "rolling back"
    DONE = "done"
    ROLLED_BACK = "rolled back"
    SUPERSEDED = "superseded"
    """By another apply of the same profile."""

    @property
    def is_open(self) -> bool:
        return self in (ApplyState.ROLLING, ApplyState.PAUSED, ApplyState.ROLLING_BACK)


_FURTHEST = (
    ApplyState.ROLLING, ApplyState.PAUSED, ApplyState.ROLLING_BACK, ApplyState.DONE, ApplyState.ROLLED_BACK,
    ApplyState.SUPERSEDED,
)  # fmt: skip


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """The instances of one node that take part: as they were, and as they should be. Those in only one of the two
    are new, or go."""

    before: dict[str, DesiredInstance] = {}
    after: dict[str, DesiredInstance] = {}


class ApplyJournal(msgspec.Struct, frozen=True, kw_only=True):
    """`wave` is the one in hand, counted from 0. Times are of the node's clock."""

    id: str
    profile: str
    title: str
    author: str
    reason: str
    rollout: Rollout
    waves: tuple[Wave, ...]
    edits: dict[str, Edit]
    """By the name that the console had for the node; a node keeps its own alone."""
    nodes: tuple[str, ...]
    """All that take part, those as well that only record the revision."""
    applies: Standing | None = None
    """The revision that stands once all waves are through."""
    profile_text: str = ""
    wave: int = 0
    state: ApplyState = ApplyState.ROLLING
    why: Reason | None = None
    """Why it is not simply going on."""
    began_unix_s: float = 0.0
    since_unix_s: float = 0.0

    def names(self, node: str) -> tuple[str, ...]:
        """The instances of `node` that take part."""
        moves = (move for wave in self.waves for move in wave.moves if move.node == node)
        return tuple(sorted({move.instance for move in moves}))

    def part(self, node: str) -> "ApplyJournal":
        """What `node` keeps of it."""
        return replace(self, edits={node: self.edits[node]})

    def text(self) -> str:
        """`chat-prod r3 by ann is paused at wave 2 of 5: chat/0 crashed`."""
        where = f" at wave {min(self.wave + 1, len(self.waves))} of {len(self.waves)}"
        why = f": {self.why.text}" if self.why else ""
        return f"{self.title} by {self.author or 'somebody'} is {self.state}{where if self.state.is_open else ''}{why}"


def joined(parts: Iterable[ApplyJournal]) -> ApplyJournal:
    """One journal from what its nodes keep of it: as far as the furthest of them came."""
    found = list(parts)
    furthest = max(found, key=lambda part: _FURTHEST.index(part.state))
    edits = {node: edit for part in found for node, edit in part.edits.items()}
    return replace(furthest, edits=edits, wave=max(part.wave for part in found))


def renamed(journal: ApplyJournal, names: dict[str, str]) -> ApplyJournal:
    """With the names that another console has for its nodes."""
    waves = tuple(
        replace(wave, moves=tuple(replace(move, node=names.get(move.node, move.node)) for move in wave.moves))
        for wave in journal.waves
    )
    nodes = tuple(names.get(node, node) for node in journal.nodes)
    return replace(
        journal, nodes=nodes, waves=waves, edits={names.get(node, node): edit for node, edit in journal.edits.items()}
    )


def taken_back(
    now: dict[str, DesiredInstance], edit: Edit, names: Iterable[str]
) -> tuple[dict[str, DesiredInstance], tuple[str, ...]]:
    """The instances of a node as they were before an apply of `edit`, and those that somebody changed since: those
    stay as they are."""
    found, others = dict(now), []
    for name in names:
        owned, before, after = now.get(name), edit.before.get(name), edit.after.get(name)
        if _meant(owned) == _meant(before):
            continue
        if _meant(owned) not in (_meant(after), _meant(_stopped(before))):
            others.append(name)
        elif before is None:
            del found[name]
        else:
            asked = owned.spec.restarts_asked if owned else before.spec.restarts_asked
            found[name] = replace(before, spec=replace(before.spec, restarts_asked=asked))
    return found, tuple(others)


def overtaken(journal: ApplyJournal, node: str, now: dict[str, DesiredInstance]) -> tuple[str, ...]:
    """The instances of `node` that are neither as they were nor as the apply would have them."""
    edit = journal.edits[node]
    return tuple(
        name for name in journal.names(node)
        if _meant(now.get(name)) not in (
            _meant(edit.before.get(name)), _meant(edit.after.get(name)), _meant(_stopped(edit.before.get(name)))
        )
    )  # fmt: skip


def _stopped(owned: DesiredInstance | None) -> DesiredInstance | None:
    """Stopped for room, until it is its turn."""
    return owned and replace(owned, spec=replace(owned.spec, wanted=Wanted.STOPPED))


def _meant(owned: DesiredInstance | None) -> object:
    return None if owned is None else meaning(owned)
