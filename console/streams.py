"""The three standard streams, made safe for a command: closed ones are replaced, a stdout that fails says so itself.

Without this a closed stdout is an AttributeError somewhere, a full disk a traceback, a stranger's letter another.
"""

import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputFailed(Exception):
    """stdout takes no more, because of `cause`. No OSError: nobody but `main` may take it for one of his."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


class _Descriptor(FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputFailed(error) from None


def secure() -> bool:
    """Whether there is a stdout. A character that a stream cannot show becomes a `?`."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        return False
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, TextIOWrapper):  # a test's own is left alone
        sys.stdout.flush()
        sys.stdout = TextIOWrapper(
            BufferedWriter(_Descriptor(sys.stdout.fileno(), "wb", closefd=False)),
            encoding=sys.stdout.encoding, errors="replace", line_buffering=sys.stdout.line_buffering,
        )  # fmt: skip
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="replace")
    return True


def discard() -> None:
    """What stdout still holds goes nowhere, so that the interpreter does not complain of it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
