"""Reading pieces of an instance's log, by byte offset.

The file is sparse at its beginning: old ranges are freed in place, so that offsets never change. A hole where
the reader wants to begin is skipped and counted.
"""

import asyncio
import errno
import os
from pathlib import Path
from typing import Protocol

from agents.errors import Refused
from agents.redaction import Redactor
from agents.wire import LogPiece, ReadLog

MAX_PIECE_BYTES = 128 * 1024
"""The text of a piece fits a frame even if every byte of it must be escaped."""

MAX_WAIT_S = 30.0
POLL_S = 0.25


class LogSource(Protocol):
    """Who knows which file holds the log of an instance."""

    def log_path(self, instance: str, previous: bool) -> tuple[Path, int] | None: ...

    def redactor(self) -> Redactor: ...


async def read_log(source: LogSource, request: ReadLog) -> LogPiece:
    """The piece that `request` asks for; an empty one when nothing came within its wait.

    An unfinished last line comes alone, and only once the wait is over. Raises Refused, OSError.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + min(max(request.wait_s, 0.0), MAX_WAIT_S)
    limit = min(max(request.limit_bytes, 1), MAX_PIECE_BYTES)
    path, incarnation = _find(source, request)
    offset = request.offset
    while True:
        waited_out = loop.time() >= give_up
        piece = read_piece(path, offset, limit, incarnation, source.redactor(), unfinished=waited_out)
        if piece.text or piece.skipped_bytes or waited_out:
            return piece
        offset = piece.next_offset
        await asyncio.sleep(min(POLL_S, max(give_up - loop.time(), 0.01)))
        path, now = _find(source, request)
        if now != incarnation:
            return LogPiece(text="", offset=0, next_offset=0, incarnation=now)


def read_piece(
    path: Path, offset: int | None, limit: int, incarnation: int, redactor: Redactor, *, unfinished: bool
) -> LogPiece:
    """What `path` holds now. An offset past its end belongs to an earlier file: reading begins anew.

    `unfinished` also gives a line that has no end yet. Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return LogPiece(text="", offset=0, next_offset=0, incarnation=incarnation)
    try:
        size = os.fstat(descriptor).st_size
        wanted = max(size - limit, 0) if offset is None else offset if 0 <= offset <= size else 0
        start = _data_start(descriptor, wanted, size)
        content = os.pread(descriptor, limit, start)
        skipped = 0 if offset is None else start - wanted
        if start > wanted or (offset is None and start > 0):
            cut = content.find(b"\n") + 1
            start, content = start + cut, content[cut:]
            skipped += cut if skipped else 0
        content = _whole(content, full=len(content) == limit or start + len(content) < size, unfinished=unfinished)
        text, content = _without_secrets(descriptor, start, content, size, redactor)
    finally:
        os.close(descriptor)
    return LogPiece(
        text=text.decode("utf-8", "replace"),
        offset=start,
        next_offset=start + len(content),
        incarnation=incarnation,
        skipped_bytes=skipped,
    )


def _without_secrets(descriptor: int, start: int, content: bytes, size: int, redactor: Redactor) -> tuple[bytes, bytes]:
    """What may be shown, and the bytes that it stands for: fewer where a secret may just be being written."""
    reach = redactor.reach_bytes
    if not reach:
        return content, content
    before = os.pread(descriptor, min(reach, start), start - min(reach, start))
    if start + len(content) >= size:
        content = content[: max(0, len(content) - redactor.begun_bytes((before + content)[-reach:]))]
    after = os.pread(descriptor, reach, start + len(content))
    return redactor.piece(before, content, after), content


def _find(source: LogSource, request: ReadLog) -> tuple[Path, int]:
    found = source.log_path(request.instance, request.previous)
    if found is None:
        what = "no earlier log of" if request.previous else "no log of"
        raise Refused("not_found", f"this node has {what} {request.instance}", "see `gpuyard instances` for the names")
    return found


def _data_start(descriptor: int, offset: int, size: int) -> int:
    """The first byte at or after `offset` that was not freed."""
    if offset >= size:
        return offset
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            return size
        if error.errno == errno.EINVAL:  # a filesystem that knows no holes
            return offset
        raise


def _whole(content: bytes, *, full: bool, unfinished: bool) -> bytes:
    """The whole lines of `content`; without any, all of it or nothing. Never half a character."""
    if end := content.rfind(b"\n") + 1:
        return content[:end]
    if not (full or unfinished):
        return b""
    for back in range(1, min(4, len(content)) + 1):
        lead = content[-back]
        if lead >= 0xC0:
            needed = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return content[:-back] if needed > back and len(content) > back else content
        if lead < 0x80:
            break
    return content
