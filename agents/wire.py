"""What an agent and a console say to each other.

    agent    ──► "gpuyard/1 <nonce>\\n"           console ──► the same line back
                                               (a bridge with --role first: "gpuyard-role <role>\\n")
    both     ──► Hello
    agent    ──► Snapshot, then Delta and Event   (to a console that asked for telemetry)
    console  ──► Request(id, …)                   agent ──► Reply(id, …) or Failure(id, …)

Each message is one frame (agents.framing): 4-byte big-endian length, then JSON with a `type` tag.

Evolution: a new field has a default; a field never changes its meaning; a new frame type is sent only to a
peer whose Hello covers a protocol that knows it; unknown fields are ignored. A Delta carries whole entries
(a GPU, an instance) that changed: the newest replaces an unsent one, so a slow reader loses resolution and
nothing else. Events are numbered and never dropped while the node still has them.
"""

import msgspec

from profiles.model import Desired, DesiredInstance
from profiles.status import Event, GpuReading, GpuSource, HostReading, InstanceStatus, NodeStatus, Role

PROTOCOL = 1
"""The newest protocol this build speaks; also the number in the preamble."""

PROTOCOL_OLDEST = 1

PREAMBLE = b"gpuyard/1 "
ROLE_LINE = b"gpuyard-role "
"""What a bridge says before the console's first line. It can only lower a role, so anybody may send it."""

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
    gpus: tuple[GpuReading, ...] = ()
    gpus_gone: tuple[str, ...] = ()
    instances: tuple[InstanceStatus, ...] = ()
    instances_gone: tuple[str, ...] = ()
    desired: Desired | None = None


class Happened(Frame, frozen=True, kw_only=True):
    """Events in order, each once."""

    events: tuple[Event, ...]


class Body(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag=str.lower):
    """Base of what a Request asks."""


class SetDesired(Body, frozen=True, kw_only=True):
    """Replace the desired instances. Refused with `stale` unless the node is at `expected_generation`.

    Every verb (start, stop, restart, apply) is this request.
    """

    expected_generation: int
    instances: dict[str, DesiredInstance]
    author: str
    reason: str


class ReadLog(Body, frozen=True, kw_only=True):
    """A piece of an instance's log.

    `offset` None reads the last `limit_bytes`; an offset at the end waits up to `wait_s` for more.
    `previous` reads the log of the incarnation before this one.
    """

    instance: str
    offset: int | None = None
    limit_bytes: int = 64 * 1024
    wait_s: float = 0.0
    previous: bool = False


class Request(Frame, frozen=True, kw_only=True):
    """`id` is chosen by the console; the answer carries it. `deadline_s` counts from arrival."""

    id: int
    body: SetDesired | ReadLog
    deadline_s: float = 10.0


class DesiredSet(Body, frozen=True, kw_only=True):
    """The new desired document is durable; its effects follow as Deltas and Events."""

    generation: int


class LogPiece(Body, frozen=True, kw_only=True):
    """Bytes of a log as text, cut at line ends where there are any.

    `offset`–`next_offset` is what was read; `skipped_bytes` were freed before they could be read.
    `incarnation` counts the starts of the instance: when it changes, offsets begin anew.
    """

    text: str
    offset: int
    next_offset: int
    incarnation: int = 0
    skipped_bytes: int = 0


class Reply(Frame, frozen=True, kw_only=True):
    id: int
    body: DesiredSet | LogPiece


FAILURE_CODES = ("denied", "stale", "invalid", "not_found", "busy", "unavailable", "timeout", "version", "internal")


class Failure(Frame, frozen=True, kw_only=True):
    """A refusal or an error. `id` None speaks of the connection; the agent closes it afterwards."""

    code: str
    message: str
    hint: str = ""
    id: int | None = None


class Ping(Frame, frozen=True, kw_only=True):
    """Asks for a Pong with the same number; also says that the sender is alive."""

    number: int


class Pong(Frame, frozen=True, kw_only=True):
    number: int


AnyFrame = Hello | Snapshot | Delta | Happened | Request | Reply | Failure | Ping | Pong

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyFrame] = msgspec.json.Decoder(AnyFrame)


def encode(frame: AnyFrame) -> bytes:
    """The JSON of one frame, without its length."""
    return _encoder.encode(frame)


def decode(payload: bytes | bytearray | memoryview) -> AnyFrame:
    """The frame in `payload`. Raises msgspec.DecodeError or its child ValidationError."""
    return _decoder.decode(payload)
