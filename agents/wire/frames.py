"""The frames: what travels, one JSON object each, told apart by `type`."""

import msgspec

from agents.wire.asks import AnyAnswer, AnyAsk
from profiles.desired.model import Desired
from profiles.observed.gpus import GpuCard
from profiles.observed.kept import Kept
from profiles.observed.status import (
    Event,
    GpuReading,
    GpuSource,
    HostReading,
    InstanceStatus,
    InternalStatus,
    NodeStatus,
    Reason,
    Role,
)

PROTOCOL = 1
"""The newest protocol this build speaks; also the number in the preamble."""

PROTOCOL_OLDEST = 1

PREAMBLE = b"gpuyard/1 "
BRIDGE_LINE = b"gpuyard-bridge "
"""How a bridge introduces a connection, before the console's first line and never after it."""

MAX_NOISE_BYTES = 64 * 1024
"""Text that a login shell may print before the preamble."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """Base of every message."""


class Hello(Frame, frozen=True, kw_only=True):
    """The first frame of both sides. `telemetry` False (console) asks for replies only: a bulk channel."""

    protocol_min: int = PROTOCOL_OLDEST
    protocol_max: int = PROTOCOL
    version: str = ""
    role: Role = Role.VIEWER
    """Agent: the role granted. Console: ignored."""
    node: str = ""
    socket: str = ""
    """Agent: the path of its Unix socket, so that the next connection can go there directly."""
    author: str = ""
    """Console: who is asking, a claim for the record."""
    telemetry: bool = True
    audit_seq: int = 0
    """Agent: the newest record of its audit, 0 before the first; the console remembers it."""
    audit_hash: str = ""
    last_event_seq: int | None = None
    """Console: events after this one are replayed; None asks for the recent ones."""


class Snapshot(Frame, frozen=True, kw_only=True):
    """The full state. `events_from` is the sequence number of the oldest event the node can still replay."""

    status: NodeStatus
    desired: Desired
    events_from: int = 1


class Delta(Frame, frozen=True, kw_only=True):
    """What changed since the last Snapshot or Delta of this connection."""

    at_unix_s: float
    host: HostReading | None = None
    gpu_source: GpuSource | None = None
    gpu_cards: tuple[GpuCard, ...] | None = None
    gpus: tuple[GpuReading, ...] = ()
    gpus_gone: tuple[str, ...] = ()
    instances: tuple[InstanceStatus, ...] = ()
    instances_gone: tuple[str, ...] = ()
    desired: Desired | None = None
    troubles: tuple[Reason, ...] | None = None
    """All that are left; None where nothing changed."""
    kept: Kept | None = None
    internals: tuple[InternalStatus, ...] | None = None
    """The same."""


class Happened(Frame, frozen=True, kw_only=True):
    """Events in order, each once."""

    events: tuple[Event, ...]


class Request(Frame, frozen=True, kw_only=True):
    """`id` is chosen by the console; the answer carries it. `deadline_s` counts from arrival."""

    id: int
    body: AnyAsk
    deadline_s: float = 10.0


class Reply(Frame, frozen=True, kw_only=True):
    id: int
    body: AnyAnswer


FAILURE_CODES = (
    "denied", "stale", "leased", "fenced", "invalid", "not_found", "busy", "unavailable", "timeout", "version",
    "internal", "cordoned", "in_use",
)  # fmt: skip


class Failure(Frame, frozen=True, kw_only=True):
    """A refusal or an error. `id` None speaks of the connection; the agent closes it afterwards.

    `retry_after_s` comes with `busy`: when the same request will be taken.
    """

    code: str
    message: str
    hint: str = ""
    id: int | None = None
    retry_after_s: float | None = None


class Ping(Frame, frozen=True, kw_only=True):
    """Asks for a Pong with the same number; also says that the sender is alive."""

    number: int


class Pong(Frame, frozen=True, kw_only=True):
    number: int


AnyFrame = Hello | Snapshot | Delta | Happened | Request | Reply | Failure | Ping | Pong
