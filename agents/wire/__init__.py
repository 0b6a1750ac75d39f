"""What an agent and a console say to each other.

    agent    ──► "gpuyard/1 <nonce>\\n"           console ──► the same line back
                                               (a bridge first: "gpuyard-bridge way=… role=… as=…\\n")
    both     ──► Hello
    agent    ──► Snapshot, then Delta and Event   (to a console that asked for telemetry)
    console  ──► Request(id, …)                   agent ──► Reply(id, …) or Failure(id, …)

Each message is one frame (agents.framing): 4-byte big-endian length, then JSON with a `type` tag.

Evolution: a new field has a default; a field never changes its meaning; unknown fields are ignored. Both sides
speak the highest protocol that both their Hellos cover: a new frame, ask or member of an enumeration is a new
protocol, and is sent only where that is spoken. A Delta carries whole entries
(a GPU, an instance) that changed: the newest replaces an unsent one, so a slow reader loses resolution and
nothing else. Events are numbered and never dropped while the node still has them.
"""

import msgspec

from agents.wire.applies import (
    Applies,
    ApplyAsk,
    ApplyBegun,
    ApplyNoted,
    BeginApply,
    NoteApply,
    ReadApplies,
)
from agents.wire.asks import (
    MAX_PROFILE_TEXT_BYTES,
    Anchor,
    AnswerT,
    AnyAnswer,
    AnyAsk,
    AuditVerified,
    DesiredSet,
    History,
    LeaseReleased,
    LeaseTaken,
    ListProcesses,
    LogPiece,
    NoteShell,
    Processes,
    ReadAnchor,
    ReadHistory,
    ReadLog,
    ReadRevision,
    ReadRevisions,
    ReleaseLease,
    RevisionDocument,
    Revisions,
    SelfCheck,
    SelfChecked,
    SetDesired,
    ShellNoted,
    TakeLease,
    Terminate,
    Terminated,
    VerifyAudit,
)
from agents.wire.base import Ask, Change
from agents.wire.control import ControlEngine, EngineControlled
from agents.wire.frames import (
    BRIDGE_LINE,
    FAILURE_CODES,
    MAX_NOISE_BYTES,
    PREAMBLE,
    PROTOCOL,
    PROTOCOL_OLDEST,
    AnyFrame,
    Delta,
    Failure,
    Happened,
    Hello,
    Ping,
    Pong,
    Reply,
    Request,
    Snapshot,
)
from agents.wire.layouts import (
    ApplyLayout,
    LayoutChanging,
    LayoutPlanned,
    Layouts,
    PlanLayout,
    ReadLayouts,
    SettleLayout,
)
from agents.wire.measurements import Measurements, ReadMeasurements
from agents.wire.runtimes import (
    AddRuntime,
    CheckRuntimes,
    ListRuntimes,
    MakingReport,
    MakingStopped,
    ReadMaking,
    RemoveRuntime,
    RuntimeAsk,
    RuntimeMaking,
    RuntimeRemoved,
    Runtimes,
    StopMaking,
)
from agents.wire.spending import BudgetNoted, NoteBudget, ReadSpent, Spent, SpentPart
from agents.wire.tags import SetTag, TagSet
from agents.wire.timeslices import ChangeTimeslice, TimesliceChanged
from agents.wire.trial import (
    ListTrials,
    ReadTrial,
    Smoke,
    Smoked,
    StartTrial,
    StopTrial,
    TrialAsk,
    TrialReport,
    Trials,
    TrialStarted,
    TrialStopped,
)
from agents.wire.versions import common_protocol, no_common_protocol

__all__ = [
    "PROTOCOL", "PROTOCOL_OLDEST", "PREAMBLE", "BRIDGE_LINE", "MAX_NOISE_BYTES", "FAILURE_CODES",
    "MAX_PROFILE_TEXT_BYTES",
    "AnyFrame", "Hello", "Snapshot", "Delta", "Happened", "Request", "Reply", "Failure", "Ping", "Pong",
    "Ask", "AnyAsk", "Change", "SetDesired", "TakeLease", "ReleaseLease", "VerifyAudit", "ReadAnchor",
    "ReadLog", "ReadRevisions", "ReadRevision", "ReadHistory", "ListProcesses", "SelfCheck", "Terminate", "NoteShell",
    "AnyAnswer", "AnswerT", "DesiredSet", "LeaseTaken", "LeaseReleased", "AuditVerified", "Anchor",
    "LogPiece", "Revisions", "RevisionDocument", "History", "Processes", "SelfChecked", "Terminated", "ShellNoted",
    "TrialAsk", "Smoke", "StartTrial", "ReadTrial", "StopTrial", "ListTrials",
    "Smoked", "TrialStarted", "TrialReport", "TrialStopped", "Trials",
    "PlanLayout", "ApplyLayout", "SettleLayout", "ReadLayouts", "LayoutPlanned", "LayoutChanging", "Layouts",
    "ControlEngine", "EngineControlled",
    "ChangeTimeslice", "TimesliceChanged", "SetTag", "TagSet",
    "ReadSpent", "Spent", "SpentPart", "NoteBudget", "BudgetNoted",
    "RuntimeAsk", "ListRuntimes", "CheckRuntimes", "AddRuntime", "ReadMaking", "StopMaking", "RemoveRuntime",
    "Runtimes", "RuntimeMaking", "MakingReport", "MakingStopped", "RuntimeRemoved",
    "ApplyAsk", "BeginApply", "NoteApply", "ReadApplies", "ApplyBegun", "ApplyNoted", "Applies",
    "ReadMeasurements", "Measurements",
    "encode", "decode", "common_protocol", "no_common_protocol",
]  # fmt: skip

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyFrame] = msgspec.json.Decoder(AnyFrame)


def encode(frame: AnyFrame) -> bytes:
    """The JSON of one frame, without its length."""
    return _encoder.encode(frame)


def decode(payload: bytes | bytearray | memoryview) -> AnyFrame:
    """The frame in `payload`. Raises msgspec.DecodeError or its child ValidationError."""
    return _decoder.decode(payload)
