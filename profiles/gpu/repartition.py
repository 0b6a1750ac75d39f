"""A change of how MIG divides a GPU, as the node that makes it tells of it.

planned ─► draining ─► stopping ─► quiet ─► releasing ─► mode ─► destroying ─► creating ─► verifying ─► restarting
                                              (where MIG is turned on; turned off, after destroying)         │
    what fails turns it round, once, to the layout before; what fails then is stuck                        ready
"""

from enum import StrEnum

import msgspec

from engines.devices import MigSlot
from profiles.gpu.migplan import MigPlan
from profiles.observed.mig import MigLayout
from profiles.observed.status import Reason


class ChangePhase(StrEnum):
    """Where a change is. Each is on the disk before anything of it is done."""

    PLANNED = "planned"
    DRAINING = "draining"
    """Nothing new starts on the GPU; who has to go lets its requests finish."""
    STOPPING = "stopping"
    QUIET = "quiet"
    """Nobody may be left on what is destroyed."""
    RELEASING = "releasing"
    """Our own reader lets go of the GPUs."""
    MODE = "mode"
    DESTROYING = "destroying"
    CREATING = "creating"
    VERIFYING = "verifying"
    RESTARTING = "restarting"
    READY = "ready"
    STUCK = "stuck"
    """Neither layout could be reached: it says why, and waits for `fractions resume` or `fractions rollback`."""


OVER = frozenset({ChangePhase.READY, ChangePhase.STUCK})
"""Nothing is under way any more."""


class GpuChange(msgspec.Struct, frozen=True, kw_only=True):
    """From `before` to `wanted`, or with `rolling_back` to `before` again."""

    id: str
    phase: ChangePhase
    before: MigLayout
    wanted: MigLayout
    author: str = ""
    reason: str = ""
    began_unix_s: float = 0.0
    since_unix_s: float = 0.0
    """Of the phase."""
    restores: bool = False
    """The layout that was here before a reboot is made anew: there is nothing to go back to."""
    rolling_back: bool = False
    failure: Reason | None = None
    """What went wrong on the way to `wanted`."""
    why_stuck: Reason | None = None

    @property
    def target(self) -> MigLayout:
        return self.before if self.rolling_back else self.wanted

    @property
    def over(self) -> bool:
        return self.phase in OVER

    @property
    def done(self) -> bool:
        """It came to what was wanted."""
        return self.phase is ChangePhase.READY and not self.rolling_back


class AppliedLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout that stood, since when and by whom; `author` "" is what was found there."""

    layout: MigLayout
    author: str = ""
    reason: str = ""
    at_unix_s: float = 0.0


class GpuRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a node remembers of one GPU's layouts, the newest last, and of its last change."""

    gpu_uuid: str
    gpu_index: int
    layouts: tuple[AppliedLayout, ...] = ()
    change: GpuChange | None = None
    boot_id: str = ""
    """In which the newest layout was made: instances do not outlive a reboot."""

    @property
    def earlier(self) -> AppliedLayout | None:
        """What `undo` goes back to."""
        return self.layouts[-2] if len(self.layouts) > 1 else None


class BlockerKind(StrEnum):
    INSTANCE = "instance"
    """Ours: `--drain` lets its requests finish and stops it."""
    PROCESS = "process"
    """Nobody's of ours: it is for its owner to end."""
    READER = "reader"
    """Our own reading of the GPUs, which pauses by itself."""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on what has to go. `slot` None is the whole GPU."""

    kind: BlockerKind
    slot: MigSlot | None = None
    instance: str = ""
    pid: int | None = None
    name: str = ""
    user: str = ""
    memory_mib: int | None = None

    def text(self) -> str:
        """`chat/0 (pid 4711) on 3g.40gb at 4`"""
        where = f"{self.slot.profile} at {self.slot.start}" if self.slot else "the GPU"
        pid = "" if self.pid is None else f"pid {self.pid}"
        match self.kind:
            case BlockerKind.INSTANCE:
                return f"{self.instance}{f' ({pid})' if pid else ''} on {where}"
            case BlockerKind.PROCESS:
                return f"{self.name or 'a process'} of {self.user or 'an unknown user'} ({pid}) on {where}"
            case BlockerKind.READER:
                return f"our own GPU reader{f' ({pid})' if pid else ''}: readings pause for some seconds"


class GpuPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of one GPU would do, and what is in its way."""

    gpu_uuid: str
    gpu_index: int
    plan: MigPlan
    blockers: tuple[Blocker, ...] = ()
    resets: bool = False
    """MIG mode changes by a reset, for which every program that has the GPU open must have gone."""
    missing: Reason | None = None
    """The right to do it, which the agent does not have."""
    undoes: AppliedLayout | None = None
    """Of an undo: the layout that is taken back."""

    @property
    def drained(self) -> tuple[Blocker, ...]:
        """Who is drained and stopped for it."""
        return tuple(one for one in self.blockers if one.kind is BlockerKind.INSTANCE)

    @property
    def foreign(self) -> tuple[Blocker, ...]:
        """Who is never ended by us."""
        return tuple(one for one in self.blockers if one.kind is BlockerKind.PROCESS)
