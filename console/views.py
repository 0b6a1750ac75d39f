"""What the console shows: a node as it last was, and the keys of its rows."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from profiles.desired.model import Desired
from profiles.observed.processes import NodeProcess
from profiles.observed.status import Event, GpuReading, InstanceStatus, NodeStatus, Reason, Role

EVENTS_KEPT = 500
LINKS_KEPT = 50


class NodeState(StrEnum):
    CONNECTING = "connecting"
    UP = "up"
    STALE = "stale"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """Will not be tried again by itself: a key, a login, a protocol or a role. `NodeView.why` has the fix."""


class LinkTurn(NamedTuple):
    """A link became what it is, by our clock."""

    at_unix_s: float
    state: NodeState
    text: str = ""


class Kind(StrEnum):
    NODE = "node"
    GPU = "gpu"
    INSTANCE = "instance"
    SERVICE = "service"
    PROCESS = "process"
    USER = "user"
    PROFILE = "profile"
    REVISION = "revision"
    CHANGE = "change"
    ALERT = "alert"


class Key(NamedTuple):
    """Names one row of one kind: (node, "") · (node, GPU uuid) · (node, instance) · ("", profile:service) ·
    (node, pid.start) · ("", user) · ("", profile) · ("", profile:number:digest) ·
    (node, the place of a change in its time line) · (node, "rule target" of an alert)."""

    kind: Kind
    node: str
    name: str = ""


def service_of(status: InstanceStatus) -> Key:
    """The service that an instance is a replica of; a name that two profiles use is two services."""
    return Key(Kind.SERVICE, "", f"{status.profile}:{status.name.rpartition('/')[0]}")


def process_key(node: str, one: NodeProcess) -> Key:
    """A pid alone may be another process by the next look."""
    return Key(Kind.PROCESS, node, f"{one.pid}.{one.start_ticks or 0}")


@dataclass
class NodeView:
    """One node: where it stands in the inventory, how the link is, what it last said."""

    name: str
    site: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    state: NodeState = NodeState.CONNECTING
    why: Reason | None = None
    way: str = ""
    """How the agent is reached: socket, bridge or local."""
    role: Role = Role.VIEWER
    doubt: Reason | None = None
    """Why its audit is not the one that this console remembers; None when it is, or was not compared yet."""
    new_keys: bool = False
    """Its host has proved new keys by the known one; they wait for a yes."""
    round_trip_s: float | None = None
    status: NodeStatus | None = None
    desired: Desired = field(default_factory=Desired)
    received_at_s: float | None = None
    """Monotonic time of the last frame."""
    clock_skew_s: float = 0.0
    """Node's clock minus ours, to CLOCK_JITTER_S; subtract it from the node's times."""
    gpus: dict[str, GpuReading] = field(default_factory=dict)
    instances: dict[str, InstanceStatus] = field(default_factory=dict)
    processes: dict[str, NodeProcess] = field(default_factory=dict)
    """As last listed, by the names of their keys; asked for only while somebody looks."""
    listed_at_s: float | None = None
    """Monotonic time of that."""
    unlisted: Reason | None = None
    """Why the last try to list them failed."""
    snapshots: int = 0
    """How often it was seen whole: after each, what happened in between may be asked for."""
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    links: deque[LinkTurn] = field(default_factory=lambda: deque(maxlen=LINKS_KEPT))
    """How its link was lost and came back, since the console runs."""

    def observed(self) -> NodeStatus | None:
        """`status` with the GPUs and instances of now."""
        if self.status is None:
            return None
        return replace(self.status, gpus=tuple(self.gpus.values()), instances=tuple(self.instances.values()))

    @property
    def counted(self) -> bool:
        """Whether its values may enter a sum."""
        return self.status is not None and self.state in (NodeState.UP, NodeState.STALE)
