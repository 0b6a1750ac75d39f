"""What an engine's log says: new lines while it loads, the telling one after it ended."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from agents.redaction import Redactor
from profiles.text.clean import clean

PIECE_BYTES = 64 * 1024
_LINE_MAX = 300
_TELLING = re.compile(r"error|exception|fatal|failed|out of memory|abort", re.IGNORECASE)


class LogTail:
    """Reads on from where it stopped; a jump of more than PIECE_BYTES skips to the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> list[str]:
        """Whole lines since the last call. A missing file has none."""
        try:
            with self._path.open("rb") as file:
                end = os.fstat(file.fileno()).st_size
                self._offset = max(self._offset, end - PIECE_BYTES)
                file.seek(self._offset)
                content = file.read(PIECE_BYTES)
        except OSError:
            return []
        whole = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1  # progress bars end their lines with \r
        self._offset += whole
        return _lines(content[:whole])


def last_lines(path: Path, redactor: Redactor) -> list[str]:
    """The end of a log, without secrets; none for a log that is empty or missing."""
    try:
        with path.open("rb") as file:
            start = max(0, os.fstat(file.fileno()).st_size - PIECE_BYTES)
            file.seek(start)
            content = file.read(PIECE_BYTES)
    except OSError:
        return []
    if start:
        content = content[content.find(b"\n") + 1 :]
    content = content[: len(content) - redactor.begun_bytes(content)]
    return _lines(redactor.piece(b"", content, b""))


def telling_line(lines: Sequence[str]) -> str:
    """The last one that speaks of an error, else the last one at all; "" for none."""
    return next((line for line in reversed(lines) if _TELLING.search(line)), lines[-1] if lines else "")


def _lines(content: bytes) -> list[str]:
    """Printable, non-blank lines of at most 300 characters."""
    lines = (line.strip() for line in clean(content.decode(errors="replace")).split("\n"))
    return [line[:_LINE_MAX] for line in lines if line]
