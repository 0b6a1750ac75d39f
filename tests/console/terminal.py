"""A program on a pseudo-terminal of its own: what it paints, key by key, and every byte that it sent.

with Terminal(argv, env) as terminal:
    terminal.until(lambda: "pulse" in terminal.line(-1))
    terminal.press("2")
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import pyte

LIMIT_S = 30.0

_SEQUENCE = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]?"  # CSI
    "|\x1b[\\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    "|\x1b[ -/]*[0-~]?"  # the short ones
    "|[\x00-\x1f\x7f-\x9f]"  # controls of one sign
    "|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\U000e0000-\U000e007f]"  # turns or hides text
)


def sequences(said: str) -> Iterator[str]:
    """Everything in `said` that a terminal obeys rather than shows."""
    return (match[0] for match in _SEQUENCE.finditer(said))


class Terminal:
    """`said` is every byte so far; the screen is what a VT220 makes of it."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], columns: int = 120, rows: int = 40) -> None:
        self.said = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        sized = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
        try:
            self.child = subprocess.Popen(
                argv, stdin=follower, stdout=follower, stderr=follower, env=sized, start_new_session=True
            )
        finally:
            os.close(follower)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.child.kill()
        self.child.wait()
        os.close(self._leader)

    def press(self, keys: str) -> None:
        os.write(self._leader, keys.encode())

    def press_until(self, keys: str, shown: str) -> None:
        """Again and again: a question takes no key before it has been painted."""
        while shown not in self.text():
            self.press(keys)
            with suppress(TimeoutError):
                self.until(lambda: shown in self.text(), 1.0)

    def lines(self) -> list[str]:
        return list(self._screen.display)

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines())

    def until(self, condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        """Read until `condition` holds."""
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() >= end:
                raise TimeoutError(f"waited too long; the screen:\n{self.text()}")
            self._read(0.1)

    def ended(self) -> int:
        """Read to the end; the exit status."""
        end = time.monotonic() + LIMIT_S
        while self._read(0.1):
            assert time.monotonic() < end, f"it does not end; the screen:\n{self.text()}"
        return self.child.wait(LIMIT_S)

    def _read(self, wait_s: float) -> bool:
        """Whether more may come."""
        if not select.select([self._leader], [], [], wait_s)[0]:
            return True
        piece = b""
        with suppress(OSError):  # EIO: the last process with this terminal is gone
            piece = os.read(self._leader, 65536)
        self.said += piece
        self._stream.feed(piece)
        return bool(piece)
