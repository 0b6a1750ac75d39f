"""Writing the audit: the intent before the effect, the outcome before the reply.

    intent ──► durable ──► effect ──► outcome ──► durable ──► reply
      └── cannot be written: the change is refused, but for an emergency stop, whose records are held in memory
          and written before any other

Files are begun anew at `file_bytes`; the oldest are dropped when they are too old or all of them too large, and a
record says so.
"""

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from agents.access.audit import chain
from agents.access.audit.chain import Anchor
from agents.access.audit.record import Kind, Record, seal
from agents.errors import Refused
from agents.events import append_whole
from agents.limits import DEFAULT, Bucket, Limits
from agents.processes import tree
from agents.state import sync_directory
from profiles.text.clean import clean

FILE_BYTES = 16 * 1024 * 1024
TOTAL_BYTES = 1024 * 1024 * 1024
KEPT_S = 400 * 86_400.0
ANCHOR_EVERY = 100
HELD_AT_MOST = 1000
CLOCK_JUMP_S = 300.0

logger = logging.getLogger(__name__)


def boottime_s() -> float:
    """Seconds since boot, those of sleep included; no change of the wall clock moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class AuditLog:
    """Opens `directory` and checks its newest file. Raises nothing: changes are refused while there is a `problem`.

    `last` is the newest record that is durable.
    """

    def __init__(
        self,
        directory: Path,
        *,
        agent_version: str,
        limits: Limits = DEFAULT,
        file_bytes: int = FILE_BYTES,
        total_bytes: int = TOTAL_BYTES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self.last = Anchor()
        self.problem = ""
        self._base = Record(
            seq=0, prev="", at_unix_s=0, boottime_s=0, boot_id=tree.boot_id(), agent_version=agent_version,
            kind=Kind.NOTE,
        )  # fmt: skip
        self._file_bytes = file_bytes
        self._total_bytes = total_bytes
        self._wall = wall
        self._changed: Callable[[], None] = lambda: None
        self._held: list[Record] = []
        self._broken = False
        self._denials = Bucket(limits.denials_per_s, limits.denials_burst)
        self._uncounted = 0
        self._at_unix_s = 0.0
        try:
            self._open()
        except OSError as error:
            self.problem = f"the audit in {directory} cannot be used ({error.strerror})"

    def watch(self, changed: Callable[[], None]) -> None:
        """`changed` is called now, and whenever `problem` may be another."""
        self._changed = changed
        changed()

    def intent(self, record: Record, *, emergency: bool = False) -> str:
        """The name of an act that may now be done. Raises Refused when its record cannot be made durable."""
        act = secrets.token_hex(8)
        self._add(replace(record, kind=Kind.INTENT, act=act))
        if self._try() or emergency:
            return act
        self._held.pop()
        raise Refused("unavailable", f"{self.problem}: changes are refused", self.hint)

    def outcome(self, record: Record, act: str, result: str, text: str, duration_s: float) -> None:
        """Never refused: what the disk does not take is held and written first, before any further change."""
        kept = replace(record, kind=Kind.OUTCOME, act=act, result=result, text=text, duration_s=round(duration_s, 6))
        self._add(kept)
        self._try()

    def denied(self, record: Record, text: str) -> None:
        """A flood of them is counted, not written."""
        if self._denials.take():
            self._uncounted += 1
            return
        uncounted, self._uncounted = self._uncounted, 0
        self._add(replace(record, kind=Kind.DENIED, result="denied", text=text, uncounted=uncounted))
        self._try()

    def note(self, text: str) -> None:
        self._add(replace(self._base, text=text))
        self._try()

    @property
    def hint(self) -> str:
        if self._broken:
            return f"see `gpuyard-agent audit verify`; move {self.directory} aside for review, then restart the agent"
        return "free space or mend the disk there; reading and an admin's stop go on working"

    def flush(self) -> None:
        """Write what is held. Raises OSError when the disk still refuses."""
        while self._held and not self._broken:
            self._write(self._held[0])
            del self._held[0]
        if not self._broken:
            self.problem = ""
        self._changed()

    def _try(self) -> bool:
        """Whether all that is held is durable now."""
        try:
            self.flush()
        except OSError as error:
            self.problem = f"the audit in {self.directory} cannot be written ({error.strerror or error})"
            self._changed()
        return not self.problem

    def _add(self, record: Record) -> None:
        """The newest are kept where nothing can be written for long: they hold the emergency's end."""
        said = ("reason", "author", "address", "label", "target", "text")
        record = replace(record, **{name: clean(getattr(record, name)) for name in said})
        base = self._base
        self._held.append(
            replace(record, at_unix_s=self._wall(), boottime_s=round(boottime_s(), 3), boot_id=base.boot_id,
                    agent_version=base.agent_version)
        )  # fmt: skip
        del self._held[:-HELD_AT_MOST]

    def _open(self) -> None:
        """Raises OSError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        found = chain.files(self.directory)
        cut_bytes = _cut_torn(found[-1]) if found else 0
        while found and not found[-1].stat().st_size:  # a crash between the new file and its first record
            found.pop().unlink()
        if not found:
            return
        walked = chain.walk_file(found[-1])
        self.last = walked.last
        if walked.problem:
            self._broken = True
            self.problem = f"the audit cannot be trusted ({found[-1].name}, {walked.problem})"
        elif cut_bytes:
            self.note(f"{cut_bytes} bytes of an unfinished record were cut from {found[-1].name}")

    def _write(self, record: Record) -> None:
        """Raises OSError."""
        jump = self._at_unix_s - record.at_unix_s
        linked = replace(
            record, seq=self.last.seq + 1, prev=self.last.hash, clock_jump_s=jump if jump > CLOCK_JUMP_S else 0.0
        )
        line, digest = seal(linked)
        found = chain.files(self.directory)
        path = found[-1] if found else self.directory / chain.name(linked.seq)
        if found and path.stat().st_size + len(line) > self._file_bytes:
            path = self.directory / chain.name(linked.seq)
        is_new = not path.exists()
        append_whole(path, line)
        if is_new:
            sync_directory(self.directory)
        self.last = Anchor(linked.seq, digest)
        self._at_unix_s = record.at_unix_s
        if linked.seq % ANCHOR_EVERY == 0:
            logger.info("audit record %d has the hash %s", linked.seq, digest)
        if is_new and found:
            self._drop_old(found)

    def _drop_old(self, found: list[Path]) -> None:
        """Forget the oldest files, the one that was closed just now apart. The record that says so comes first."""
        oldest_s = self._wall() - KEPT_S
        sizes = {path: path.stat() for path in found}
        total = sum(size.st_size for size in sizes.values())
        dropped: list[Path] = []
        for path in found[:-1]:
            if total <= self._total_bytes and sizes[path].st_mtime >= oldest_s:
                break
            total -= sizes[path].st_size
            dropped.append(path)
        if not dropped:
            return
        end = chain.walk_file(dropped[-1]).last
        text = f"{len(dropped)} files up to record {end.seq} were dropped: too old, or too many"
        self._write(
            replace(self._base, text=text, dropped_until_seq=end.seq, dropped_until_hash=end.hash,
                    at_unix_s=self._wall(), boottime_s=round(boottime_s(), 3))
        )  # fmt: skip
        for path in dropped:
            with contextlib.suppress(OSError):
                path.unlink()


def _cut_torn(path: Path) -> int:
    """The bytes of a last line without an end, which nobody was answered for. Raises OSError."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        tail_at = max(0, size - 64 * 1024)
        file.seek(tail_at)
        end = tail_at + file.read().rfind(b"\n") + 1
        file.truncate(end)
        os.fsync(file.fileno())
    return size - end
