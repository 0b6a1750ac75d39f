"""What a console may ask, and the answers; told apart by `op`. Who may ask what is decided in agents.server.verbs."""

from typing import TypeVar

from agents.wire.applies import ApplyAnswer, ApplyAsk
from agents.wire.base import Answer, Ask, Change
from agents.wire.control import ControlEngine, EngineControlled
from agents.wire.layouts import LayoutAnswer, LayoutAsk
from agents.wire.measurements import Measurements, ReadMeasurements
from agents.wire.runtimes import RuntimeAnswer, RuntimeAsk
from agents.wire.spending import BudgetNoted, NoteBudget, ReadSpent, Spent
from agents.wire.tags import SetTag, TagSet
from agents.wire.timeslices import ChangeTimeslice, TimesliceChanged
from agents.wire.trial import TrialAnswer, TrialAsk
from profiles.desired.model import Cordon, DesiredInstance
from profiles.desired.standing import Standing
from profiles.observed.finding import Finding
from profiles.observed.history import HistoryKind, HistorySeries
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.revisions.revision import Revision

MAX_PROFILE_TEXT_BYTES = 48 * 1024
"""As UTF-8. A longer text is refused; the change itself needs none."""


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
    cordons: dict[str, Cordon] | None = None
    """Those that stand from now on, by GPU UUID or "" for the node; None leaves them. The node says who and when."""
    applies: Standing | None = None
    """The revision of a profile that this is a part of; None for an edit by hand. Refused with `stale` where the node
    has another one of that number."""


class TakeLease(Change, frozen=True, kw_only=True):
    """Hold the node: until released or silent for `ttl_s`, changes need the token that is answered.

    Refused with `leased` while another holds it; `force` takes it over and is an admin's.
    """

    purpose: str
    ttl_s: float = 30.0
    force: bool = False


class ReleaseLease(Change, frozen=True, kw_only=True):
    """Give back the lease of `token`."""


class VerifyAudit(Ask, frozen=True, kw_only=True):
    """Check the node's audit, and that it still has the record that the asker remembers; `known_seq` 0 is none."""

    known_seq: int = 0
    known_hash: str = ""


class ReadAnchor(Ask, frozen=True, kw_only=True):
    """The hash of one record of the audit: does the node still have the history that it had?"""

    seq: int


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


class ReadHistory(Ask, frozen=True, kw_only=True):
    """What the node remembers: profiles.observed.history says which fields there are and how a step is made of
    shorter ones.

    `names` empty asks for all of the kind, `fields` empty for all but histograms. Times are of the node's clock:
    from `from_unix_s`, else the last `last_s`, up to `to_unix_s`, else now. Steps are those of the whole clock.
    """

    kind: HistoryKind
    names: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    from_unix_s: float | None = None
    to_unix_s: float | None = None
    last_s: float = 900.0
    step_s: float = 10.0


class ListProcesses(Ask, frozen=True, kw_only=True):
    """Processes on GPUs, and those that carry this agent's mark; their arguments for operators alone."""


class SelfCheck(Ask, frozen=True, kw_only=True):
    """Look the whole machine over: tens of seconds where something hangs, and some seconds of reading from disks.

    `files` asks for what belongs into a bundle as well, and is an admin's: logs and settings are in it.
    Refused with `busy` while another one is under way.
    """

    files: bool = False


class Terminate(Change, frozen=True, kw_only=True):
    """End one process that ListProcesses lists, whosever it is; refused for every other.

    `kind` is what the asker took it for: refused with `stale` when it is another by now.
    """

    pid: int
    start_ticks: int
    kind: ProcessKind


class NoteShell(Change, frozen=True, kw_only=True):
    """Who asks had a shell on the host, over a way of his own: for the record, a claim.

    Seconds before now. `status` is the exit status of the ssh that it was.
    """

    began_ago_s: float
    ended_ago_s: float
    status: int


class DesiredSet(Answer, frozen=True, kw_only=True):
    """The new desired document is durable; its effects follow as Deltas and Events."""

    generation: int


class LeaseTaken(Answer, frozen=True, kw_only=True):
    """Any frame of this connection keeps it, and so does any change with its token."""

    token: int
    ttl_s: float
    generation: int | None = None
    """Of the desired document: while the lease is held, only its holder changes it. None from an older agent."""


class LeaseReleased(Answer, frozen=True, kw_only=True):
    """The token is worth nothing from now on."""


class AuditVerified(Answer, frozen=True, kw_only=True):
    """How far the chain of records holds; `problem` "" when it holds to its end."""

    records: int
    first_seq: int
    last_seq: int
    last_hash: str
    problem: str = ""


class Anchor(Answer, frozen=True, kw_only=True):
    """`hash` "" where the node has no such record, or one that was changed."""

    seq: int
    hash: str = ""


class Processes(Answer, frozen=True, kw_only=True):
    """Orphans first."""

    processes: tuple[NodeProcess, ...]


class SelfChecked(Answer, frozen=True, kw_only=True):
    """`way` is how the agent sees the asker come in: socket, bridge, forced or local. `files` by name, scrubbed."""

    findings: tuple[Finding, ...]
    way: str = ""
    files: dict[str, str] = {}


class Terminated(Answer, frozen=True, kw_only=True):
    """It is gone. `text` says who it was."""

    text: str = ""


class ShellNoted(Answer, frozen=True, kw_only=True):
    """It is on record."""


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
    cordons: dict[str, Cordon] = {}


class History(Answer, frozen=True, kw_only=True):
    """Step i covers `step_s` from `from_unix_s + i × step_s`. `next_from_unix_s` is where to go on, None at the end."""

    from_unix_s: float
    step_s: float
    steps: int
    series: tuple[HistorySeries, ...]
    next_from_unix_s: float | None = None


AnyAsk = (
    SetDesired
    | ReadLog
    | ReadRevisions
    | ReadRevision
    | ReadHistory
    | ReadSpent
    | NoteBudget
    | TakeLease
    | ReleaseLease
    | VerifyAudit
    | ReadAnchor
    | ListProcesses
    | SelfCheck
    | Terminate
    | NoteShell
    | TrialAsk
    | ApplyAsk
    | LayoutAsk
    | ChangeTimeslice
    | ControlEngine
    | RuntimeAsk
    | SetTag
    | ReadMeasurements
)
AnyAnswer = (
    DesiredSet
    | LogPiece
    | Revisions
    | RevisionDocument
    | History
    | Spent
    | BudgetNoted
    | LeaseTaken
    | LeaseReleased
    | AuditVerified
    | Anchor
    | Processes
    | SelfChecked
    | Terminated
    | ShellNoted
    | TrialAnswer
    | ApplyAnswer
    | LayoutAnswer
    | TimesliceChanged
    | EngineControlled
    | RuntimeAnswer
    | TagSet
    | Measurements
)
AnswerT = TypeVar("AnswerT", bound=Answer)
"""The kind of answer that an ask expects."""
