"""One time line of what changed, whoever told it: of a fleet, a node, a service, an instance or a GPU. Pure.

    events of nodes ──┐ of_event
    turns of links  ──┼──────────► Change ──Scope.holds──► merged: oldest first, each once
    steps of traffic ─┘ steps

Times are of one clock, the reader's: whoever brings a change has taken the skew of its node off.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from profiles.explain.evidence import Axis, Track
from profiles.explain.shift import shift
from profiles.observed.finding import Severity
from profiles.observed.status import Event, EventKind, Phase

LEAST_STEP_PER_S = 0.5
STEP_RATIO = 0.5
"""Traffic that is half more or half less than before, and by a request in two seconds, has stepped."""


class ChangeKind(StrEnum):
    """What people look for first stands first."""

    APPLY = "apply"
    EDIT = "edit"
    PHASE = "phase"
    EXIT = "exit"
    PROCESS = "process"
    XID = "xid"
    THROTTLE = "throttle"
    GPU = "gpu"
    TRAFFIC = "traffic"
    LINK = "link"
    AGENT = "agent"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`instance` and `gpu` (a uuid) are what it is about; `touches` the instances that an edit changed."""

    at_unix_s: float
    kind: ChangeKind
    node: str
    text: str
    instance: str = ""
    gpu: str = ""
    author: str = ""
    severity: Severity = Severity.INFO
    touches: tuple[str, ...] = ()


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose changes. Without a node all; `instances` and `gpus` are (node, name) and (node, uuid) pairs.

    What a GPU does concerns its tenants, what befalls a tenant its GPU, and a lost node or agent all that is on it.
    """

    node: str = ""
    instances: frozenset[tuple[str, str]] = frozenset()
    gpus: frozenset[tuple[str, str]] = frozenset()

    def holds(self, change: Change) -> bool:
        if not self.instances and not self.gpus:
            return self.node in ("", change.node)
        named = {(change.node, name) for name in (change.instance, *change.touches) if name}
        if named:
            return bool(named & self.instances)
        if change.gpu:
            return (change.node, change.gpu) in self.gpus
        about_all = change.kind in (ChangeKind.LINK, ChangeKind.AGENT)
        return about_all and change.node in {node for node, _ in self.instances | self.gpus}


_OF_KIND = {
    EventKind.DESIRED: ChangeKind.EDIT, EventKind.PHASE: ChangeKind.PHASE, EventKind.EXIT: ChangeKind.EXIT,
    EventKind.GPU: ChangeKind.GPU, EventKind.AGENT: ChangeKind.AGENT,
}  # fmt: skip
_OF_CODE = {
    "applied": ChangeKind.APPLY, "xid": ChangeKind.XID, "foreign_began": ChangeKind.PROCESS,
    "foreign_ended": ChangeKind.PROCESS, "throttle_began": ChangeKind.THROTTLE, "throttle_ended": ChangeKind.THROTTLE,
}  # fmt: skip
_BAD_PHASES = frozenset({Phase.STALLED, Phase.FAILED, Phase.LOST})


def of_event(node: str, event: Event, clock_skew_s: float = 0.0) -> Change:
    """`clock_skew_s` is the node's clock minus the reader's."""
    kind = _OF_CODE.get(event.code, _OF_KIND[event.kind])
    return Change(
        at_unix_s=event.at_unix_s - clock_skew_s, kind=kind, node=node, text=event.text, instance=event.instance or "",
        gpu=event.gpu or "", author=event.author, severity=event.severity or _severity(kind, event.text),
        touches=event.touches,
    )  # fmt: skip


def _severity(kind: ChangeKind, text: str) -> Severity:
    """Of one that does not say so itself."""
    if kind is ChangeKind.PHASE and text.partition(": ")[0].rpartition(" ")[2] in _BAD_PHASES:
        return Severity.PROBLEM
    return Severity.WARNING if kind is ChangeKind.EXIT else Severity.INFO


def step_of(node: str, instance: str, requests_per_s: Track, axis: Axis) -> Change | None:
    """Where the traffic of an instance became another, if it did; the axis is of the reader's clock."""
    found = shift(requests_per_s, LEAST_STEP_PER_S, STEP_RATIO)
    if found is None:
        return None
    text = f"traffic {found.before:.1f} → {found.after:.1f} requests/s"
    return Change(
        at_unix_s=axis.at(found.step), kind=ChangeKind.TRAFFIC, node=node, text=text, instance=instance,
        severity=Severity.WARNING if found.up else Severity.INFO,
    )  # fmt: skip


def merged(changes: Iterable[Change], scope: Scope, since_unix_s: float = 0.0) -> Sequence[Change]:
    """Oldest first. What two told alike, at the same moment, is one."""
    held = {change: None for change in changes if change.at_unix_s >= since_unix_s and scope.holds(change)}
    return sorted(held, key=lambda change: change.at_unix_s)
