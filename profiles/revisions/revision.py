"""What a node's desired document was: numbered, immutable, told apart by what it means. Pure.

    Desired at generation 5 ─┐
    Desired at generation 6 ─┴► changed() ─► Difference per instance ─► in_short() ─► one sentence

A revision stands from its generation until the next revision's. Rewriting a document with the same meaning, and
restarting an instance, make a new generation and no revision.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.desired.standing import Standing
from profiles.placing.cordon import Cordons, turned
from profiles.plans.difference import changes
from profiles.plans.plan import Change

Document = Mapping[str, DesiredInstance]
"""The instances of a desired document."""

NO_CORDONS: Cordons = {}
SHOWN_INSTANCES = 3
SHOWN_KEYS = 2
SHOWN_CHARS = 60
"""Of one value, so that a sentence stays one."""


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """The head of one kept document. `what` says in short what it changed; `at_unix_s` is of the node's clock.

    The first one is the document that the node began with: nobody made it.
    """

    generation: int
    digest: str
    author: str = ""
    reason: str = ""
    at_unix_s: float | None = None
    what: str = ""
    instances: int = 0
    has_text: bool = False
    """Whether the profile's text was sent with it."""
    applied: Standing | None = None
    """The revision of a profile that this change applied; None for an edit by hand."""
    follows: int | None = None
    """The generation of the document that stood before; None from an agent that kept all between."""
    tags: tuple[str, ...] = ()
    """Names that people gave to `applied`: it is kept as long as it has one."""


class Turn(StrEnum):
    """What became of an instance between two documents."""

    ADDED = "added"
    REMOVED = "removed"
    STARTED = "started"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    CHANGED = "changed"


class Difference(msgspec.Struct, frozen=True):
    """One instance that two documents want otherwise; `changes` has the keys, old → new."""

    instance: str
    turn: Turn
    changes: tuple[Change, ...] = ()


def meaning(owned: DesiredInstance) -> tuple[str, InstanceSpec]:
    """Whose it is and what it should be. Its revision, the restarts asked for and the haste of a stop do not count."""
    return owned.profile, replace(owned.spec, restarts_asked=0, drain_s=None)


def digest(document: Document, cordons: Cordons = NO_CORDONS) -> str:
    """Of the meaning, in whatever order."""
    meant: object = {name: meaning(owned) for name, owned in document.items()}
    if cordons:
        meant = (meant, sorted(cordons))
    return sha256(msgspec.json.encode(meant, order="deterministic")).hexdigest()


def what_changed(old: Desired, new: Desired) -> str:
    """Of instances and cordons, in one sentence; "nothing" where nothing differs."""
    differences = changed(old.instances, new.instances)
    cordons = turned(old.cordons, new.cordons)
    return ", ".join([*([in_short(differences)] if differences or not cordons else []), *cordons])


def changed(old: Document, new: Document) -> tuple[Difference, ...]:
    """The instances in which `new` differs from `old`, by name."""
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            found.append(Difference(name, Turn.REMOVED if after is None else Turn.ADDED))
        elif (before.profile, before.spec) != (after.profile, after.spec):
            turn = _turn(before, after)
            found.append(Difference(name, turn, _keys(before, after, turn)))
    return tuple(found)


def in_short(differences: Iterable[Difference]) -> str:
    """`+ embed/0, chat/0 options.max_num_seqs 64 → 96, 2 more`; "nothing" where nothing differs."""
    found = list(differences)
    if not found:
        return "nothing"
    words = [_words(one) for one in found[:SHOWN_INSTANCES]]
    left = len(found) - SHOWN_INSTANCES
    return ", ".join([*words, f"{left} more"] if left > 0 else words)


def _turn(before: DesiredInstance, after: DesiredInstance) -> Turn:
    if before.spec.wanted is not after.spec.wanted:
        if after.spec.wanted is Wanted.STOPPED:
            return Turn.STOPPED
        if before.spec.wanted is Wanted.STOPPED:
            return Turn.STARTED
    same = replace(after.spec, restarts_asked=before.spec.restarts_asked) == before.spec
    return Turn.RESTARTED if same and before.profile == after.profile else Turn.CHANGED


def _keys(before: DesiredInstance, after: DesiredInstance, turn: Turn) -> tuple[Change, ...]:
    owner = (Change("profile", before.profile, after.profile),) if before.profile != after.profile else ()
    said = {"wanted"} if turn in (Turn.STARTED, Turn.STOPPED) else set()
    return (*owner, *(change for change in changes(before.spec, after.spec) if change.key not in said))


def _words(one: Difference) -> str:
    match one.turn:
        case Turn.ADDED:
            return f"+ {one.instance}"
        case Turn.REMOVED:
            return f"− {one.instance}"
        case Turn.STARTED | Turn.STOPPED | Turn.RESTARTED if not one.changes:
            return f"{one.instance} {one.turn}"
    keys = [_key(change) for change in one.changes[:SHOWN_KEYS]]
    left = len(one.changes) - SHOWN_KEYS
    more = [f"{left} more keys"] if left > 0 else []
    turn = [str(one.turn)] if one.turn is not Turn.CHANGED else []
    return f"{one.instance} {'; '.join([*turn, *keys, *more])}"


def _key(change: Change) -> str:
    """Environments are where people put what they should not: their values stay out of sentences."""
    if change.key.startswith("env."):
        return change.key
    return f"{change.key} {_cut(change.old)} → {_cut(change.new)}"


def _cut(value: str) -> str:
    return f"{value[: SHOWN_CHARS - 1]}…" if len(value) > SHOWN_CHARS else value or "–"
