"""What a plan is: steps to show, and per node the edit that carries them out. Plain data; who makes plans:

    profiles.plans.profile_plan   a whole profile: starts, moves, replaces and keeps its instances and prunes the others
    profiles.plans.verb_plan      start, stop, drain, restart, sleep or wake named instances
    profiles.plans.cordon_plan, profiles.plans.down_plan, profiles.revisions.undo

A Plan holds, per node, the complete new desired instances and the generation that they replace, so applying
it is one compare-and-set per node. Instances of other profiles are carried over untouched.
"""

from enum import StrEnum

import msgspec

from engines.devices import Slice
from profiles.desired.model import Cordon, DesiredInstance
from profiles.desired.rollout import Rollout
from profiles.desired.standing import Standing
from profiles.observed.status import Reason


class Action(StrEnum):
    KEEP = "keep"
    START = "start"
    STOP = "stop"
    DRAIN = "drain"
    SLEEP = "sleep"
    WAKE = "wake"
    REPLACE = "replace"
    MOVE = "move"
    """The same instance on other GPUs, of this node or of another."""
    LIVE = "live"
    """Changed without touching the process."""
    PRUNE = "prune"
    PREEMPT = "preempt"
    """Stopped because another profile's service does not fit otherwise."""
    CORDON = "cordon"
    UNCORDON = "uncordon"


STARTS = frozenset({Action.START, Action.REPLACE, Action.MOVE})
"""An engine starts anew."""


class Change(msgspec.Struct, frozen=True):
    """One key of an instance, old → new, as text; "" where it was or will be absent."""

    key: str
    old: str
    new: str
    restarts: bool = False
    """Whether this key alone makes an engine start anew; all others are changed while it runs."""
    by_hand: bool = False
    """Somebody changed it since the profile was applied, and the plan takes that back."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What the end of a running process does. `in_flight` counts the requests of now, those that wait included."""

    in_flight: int | None
    comes_back: bool
    away_s: float | None
    """How long it serves nobody, by what was measured; None is unknown, or for good."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one instance; a cordon names what it is about instead: `GPU 3`, `the node`."""

    action: Action
    node: str
    instance: str
    from_node: str = ""
    """Where a move comes from; "" where it stays on its node."""
    changes: tuple[Change, ...] = ()
    not_enforced: dict[str, str] = {}
    """Limit → why the node cannot hold it."""
    slices: tuple[Slice, ...] = ()
    """What it starts on."""
    preempted_for: str = ""
    """Which service of which profile it is preempted for."""
    waits: Reason | None = None
    """Why it will not start at once."""
    effect: Effect | None = None
    """None where nothing that runs is ended (profiles.plans.effects)."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Whose edits carry it out."""
        return (self.from_node, self.node) if self.from_node else (self.node,)


class GpuMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What instances are given of one GPU's memory; `allocatable_mib` None is unknown."""

    node: str
    gpu_index: int
    before_mib: int
    after_mib: int
    allocatable_mib: int | None


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The edit of one node's desired document. `profile_text` is the file that it comes from, for the record."""

    node: str
    expected_generation: int
    instances: dict[str, DesiredInstance]
    profile_text: str = ""
    cordons: dict[str, Cordon] | None = None
    """None leaves those that there are."""
    applies: Standing | None = None
    """The revision that it is a part of (profiles.revisions.numbering)."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Steps to show, and edits to make. A plan with `blockers` is not applied."""

    title: str
    steps: tuple[Step, ...]
    nodes: tuple[NodePlan, ...]
    blockers: tuple[Reason, ...] = ()
    memory: tuple[GpuMemory, ...] = ()
    """Of the GPUs of which something else is given (profiles.plans.room)."""
    undone_by: str = ""
    """What takes a revision of a profile back, and to what; "" for other plans."""

    rollout: Rollout | None = None
    """How it goes in waves; None is all at once."""

    @property
    def changes_anything(self) -> bool:
        return any(step.action is not Action.KEEP for step in self.steps)
