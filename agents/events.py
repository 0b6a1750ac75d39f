"""What happened on this node, numbered without gaps and kept across restarts.

    append ──► events.jsonl (one line an event) ──► after(seq) ──► every client, by its own cursor
        └────► held, while the disk refuses ──flush──┘

The file is bounded: at twice the number kept it is rewritten with the newest half. Numbers are never used
twice, so an event has none, and nobody hears of it, until it is on the disk. A torn last line, left by a crash,
is cut; other damage sets the file aside.
"""

import asyncio
import contextlib
import os
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agents.failpoints import reach
from agents.state import set_aside, write_atomic
from profiles.observed.finding import Severity
from profiles.observed.status import Event, EventKind
from profiles.text.clean import clean

KEPT = 5000
HELD_AT_MOST = 1000
MAX_TEXT_CHARS = 4096

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


class EventLog:
    """`kept` events at least are there to be replayed. Opens, and where needed repairs, `path`. Raises OSError."""

    def __init__(self, path: Path, *, kept: int = KEPT, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._kept = kept
        self._wall = wall
        self._grown = asyncio.Event()
        self._held: list[Event] = []
        self._uncounted = 0
        self._events, self._last_seq, problem = _read(path)
        if problem:
            self.append(EventKind.AGENT, problem, code="state_damaged")

    @property
    def first_seq(self) -> int:
        """The oldest event that can be replayed; 1 while there is none."""
        return self._events[0].seq if self._events else 1

    @property
    def last_seq(self) -> int:
        """0 before the first event."""
        return self._last_seq

    @property
    def held(self) -> int:
        """How many events wait for the disk."""
        return len(self._held) + self._uncounted

    def append(
        self,
        kind: EventKind,
        text: str,
        *,
        instance: str | None = None,
        author: str = "",
        code: str = "",
        gpu: str | None = None,
        severity: Severity | None = None,
        touches: tuple[str, ...] = (),
    ) -> None:
        """Number, write and announce an event; while the disk refuses, hold it for `flush`."""
        event = Event(
            seq=0,
            at_unix_s=self._wall(),
            kind=kind,
            text=clean(text)[:MAX_TEXT_CHARS],
            instance=instance,
            author=clean(author),
            code=code,
            gpu=gpu,
            severity=severity,
            touches=touches,
        )
        if len(self._held) < HELD_AT_MOST:
            self._held.append(event)
        else:
            self._uncounted += 1
        with contextlib.suppress(OSError):
            self.flush()

    def flush(self) -> None:
        """Write what is held. Raises OSError when the disk still refuses."""
        while self._held:
            self._write(self._held[0])
            del self._held[0]
        if self._uncounted:
            text = f"{self._uncounted} events are missing here: the disk could not take them"
            self._write(Event(seq=0, at_unix_s=self._wall(), kind=EventKind.AGENT, text=text, code="events_lost"))
            self._uncounted = 0

    def after(self, seq: int, limit: int) -> list[Event]:
        """The events that follow `seq`, oldest first. Those before `first_seq` are gone: compare to see a gap."""
        start = bisect_right(self._events, seq, key=lambda event: event.seq)
        return self._events[start : start + limit]

    def has(self, kind: EventKind, instance: str, since_unix_s: float, code: str | None = None) -> bool:
        """Whether such an event happened since then, held ones included; with `code`, one of that."""
        found = (one for one in (*self._events, *self._held) if one.kind is kind and one.instance == instance)
        return any(one.at_unix_s >= since_unix_s and code in (None, one.code) for one in found)

    async def wait_after(self, seq: int) -> None:
        """Return once there is an event after `seq`."""
        while self.last_seq <= seq:
            await self._grown.wait()

    def _write(self, event: Event) -> None:
        """Number and write one event, and make it known."""
        if len(self._events) >= 2 * self._kept:
            newest = self._events[-self._kept :]
            write_atomic(self._path, b"".join(_encoder.encode(one) + b"\n" for one in newest))
            self._events = newest
        reach("before-event")
        numbered = replace(event, seq=self._last_seq + 1)
        append_whole(self._path, _encoder.encode(numbered) + b"\n")
        self._events.append(numbered)
        self._last_seq = numbered.seq
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


def append_whole(path: Path, line: bytes) -> None:
    """All of `line` or nothing of it, durable, so that a full disk leaves no torn line. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(file).st_size
        try:
            written = os.write(file, line)
            if written != len(line):
                raise OSError(f"{path}: wrote {written} of {len(line)} bytes")
            os.fdatasync(file)
        except OSError:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def _read(path: Path) -> tuple[list[Event], int, str]:
    """The events of the file, the last number that was used and, where it was damaged, a sentence about that.

    A torn last line was never announced and its number is free; a damaged whole one was, so its number is not.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0, ""
    whole = content[: content.rfind(b"\n") + 1]
    events: list[Event] = []
    last = bad = unsure = 0
    for line in whole.splitlines():
        event = _decode(line)
        if event and event.seq > last:
            events.append(event)
            last, unsure = event.seq, 0
        else:
            bad += 1
            unsure += 1
    problem = ""
    if bad:
        aside = set_aside(path)
        problem = f"{bad} lines of {path.name} cannot be read; the file is kept as {aside.name}"
    if bad or len(whole) != len(content):
        write_atomic(path, b"".join(_encoder.encode(event) + b"\n" for event in events))
    return events, last + unsure, problem


def _decode(line: bytes) -> Event | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
