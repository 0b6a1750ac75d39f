"""What was tried with an instance, how it ended, and when it is due again.

    begin ──► (the engine runs) ──► ended ──► Backoff: waits(…) says for how long
                                          └─► GivenUp: stands until the attempt is another one

Ends that nobody asked for are kept in the instance's directory, so that an agent's restart forgets none. They
belong to one attempt (what is launched, under which rule) and one boot; another of either begins anew.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents import state
from agents.instances.outcome import Again, Backoff, Done, GivenUp, Outcome
from agents.instances.restart import Crash, RestartPolicy, loop_text, recent
from agents.processes import tree
from profiles.desired.model import InstanceSpec
from profiles.observed.status import Reason

KEPT = 100


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """crashes.json. `gave_up` stands until the attempt is another one."""

    boot_id: str
    attempt: str
    crashes: tuple[Crash, ...] = ()
    gave_up: Reason | None = None
    due_s: float = 0.0
    """When the next start is due, on the clock of `Crash.at_s`."""


class Attempts:
    """Of the instance whose directory holds `path`. A file that cannot be read counts as none."""

    def __init__(
        self,
        path: Path,
        policy: RestartPolicy,
        random: Callable[[], float],
        clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._path = path
        self._policy = policy
        self._random = random
        self._clock = clock
        self._boot_id = tree.boot_id()
        found = state.load(path, Record)
        kept = found if isinstance(found, Record) and found.boot_id == self._boot_id else None
        self._record = kept or Record(boot_id=self._boot_id, attempt="")
        self._tried = self._record.attempt
        self._due_s = self._record.due_s

    def gave_up(self, spec: InstanceSpec) -> Reason | None:
        """Why this very attempt was given up, by an earlier agent too."""
        return self._record.gave_up if self._record.attempt == _digest(spec) else None

    def waits(self, spec: InstanceSpec, *, failed: bool) -> Outcome | None:
        """None when `spec` is to be started now. `failed` is whether the newest attempt was given up."""
        if self._tried != _digest(spec):
            return None
        if failed:
            return Done()
        left_s = self._due_s - self._clock()
        return Again(left_s) if left_s > 0 else None

    def begin(self, spec: InstanceSpec) -> bool:
        """An attempt; the ends of another one are forgotten. Whether it is one more of the same."""
        self._tried = _digest(spec)
        if self._tried != self._record.attempt:
            self._keep(Record(boot_id=self._boot_id, attempt=self._tried))
        return bool(self._record.crashes)

    def pause(self, after_s: float) -> None:
        """Nothing is due before."""
        self._due_s = self._clock() + after_s

    def ended(
        self, spec: InstanceSpec, reason: Reason, lived_s: float, line: str, *, retry: bool = True
    ) -> Backoff | GivenUp:
        """What an end now leads to. `line` is what the log said last; without `retry` none of the same follows."""
        self.begin(spec)
        now_s = self._clock()
        crash = Crash(at_s=now_s, lived_s=lived_s, line=line)
        crashes = (*recent(self._record.crashes, spec.restart, now_s), crash)[-KEPT:]
        delay_s = self._policy.delay_s(crashes, spec.restart, now_s, self._random) if retry else None
        gave_up = None
        if not retry:
            gave_up = reason
        elif delay_s is None:
            hint = f"{reason.hint}, then edit or restart it"
            gave_up = Reason("crash_loop", loop_text(crashes, spec.restart), hint)
        self._due_s = now_s + (delay_s or 0.0)
        self._keep(msgspec.structs.replace(self._record, crashes=crashes, gave_up=gave_up, due_s=self._due_s))
        return Backoff(delay_s, reason) if delay_s is not None else GivenUp(gave_up or reason)

    def forget(self) -> None:
        """It was stable, or somebody stopped it."""
        if self._record.crashes or self._record.gave_up:
            self._keep(msgspec.structs.replace(self._record, crashes=(), gave_up=None, due_s=0.0))

    def _keep(self, record: Record) -> None:
        """A disk that refuses costs the memory of it across a restart of the agent, not the count."""
        self._record = record
        with contextlib.suppress(OSError):
            state.save(self._path, record)


def _digest(spec: InstanceSpec) -> str:
    return hashlib.sha256(repr(spec.attempt()).encode()).hexdigest()
