"""What happened on this node, numbered without gaps and kept across restarts.

    append ──► events.jsonl (one line an event) ──► after(seq) ──► every client, by its own cursor

The file is bounded: at twice the number kept it is rewritten with the newest half. Numbers are never used
twice. A torn last line, left by a crash, is cut; other damage sets the file aside.
"""

import asyncio
import os
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents.failpoints import reach
from agents.state import set_aside, write_atomic
from profiles.status import Event, EventKind

KEPT = 5000
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
        self._events, problem = _read(path)
        if len(self._events) > 2 * kept:
            self._shorten()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if problem:
            self.append(EventKind.AGENT, problem, code="state_damaged")

    @property
    def first_seq(self) -> int:
        """The oldest event that can be replayed; 1 while there is none."""
        return self._events[0].seq if self._events else 1

    @property
    def last_seq(self) -> int:
        """0 before the first event."""
        return self._events[-1].seq if self._events else 0

    def append(
        self, kind: EventKind, text: str, *, instance: str | None = None, author: str = "", code: str = ""
    ) -> Event:
        """Number, write and announce an event. It survives the daemon's death; a power loss may take the newest.

        Raises OSError when the disk refuses, and then nothing happened.
        """
        event = Event(
            seq=self.last_seq + 1,
            at_unix_s=self._wall(),
            kind=kind,
            text=text[:MAX_TEXT_CHARS],
            instance=instance,
            author=author,
            code=code,
        )
        reach("before-event")
        self._write(_encoder.encode(event) + b"\n")
        self._events.append(event)
        if len(self._events) > 2 * self._kept:
            self._shorten()
            os.close(self._file)
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
        return event

    def after(self, seq: int, limit: int) -> list[Event]:
        """The events that follow `seq`, oldest first. Those before `first_seq` are gone: compare to see a gap."""
        start = bisect_right(self._events, seq, key=lambda event: event.seq)
        return self._events[start : start + limit]

    async def wait_after(self, seq: int) -> None:
        """Return once there is an event after `seq`."""
        while self.last_seq <= seq:
            await self._grown.wait()

    def close(self) -> None:
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        """A whole line or nothing, so that a full disk leaves no torn line before later ones."""
        before = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(f"{self._path}: wrote {written} of {len(line)} bytes")
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def _shorten(self) -> None:
        self._events = self._events[-self._kept :]
        write_atomic(self._path, b"".join(_encoder.encode(event) + b"\n" for event in self._events))


def _read(path: Path) -> tuple[list[Event], str]:
    """The events of the file and, where it was damaged, a sentence about that."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], ""
    whole = content[: content.rfind(b"\n") + 1]
    events: list[Event] = []
    bad = 0
    for line in whole.splitlines():
        try:
            event = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            bad += 1
            continue
        if not events or event.seq > events[-1].seq:
            events.append(event)
        else:
            bad += 1
    if bad:
        aside = set_aside(path)
    if bad or len(whole) != len(content):
        write_atomic(path, b"".join(_encoder.encode(event) + b"\n" for event in events))
    return events, f"{bad} lines of {path.name} cannot be read; the file is kept as {aside.name}" if bad else ""
