"""What goes to stdout and stderr, and the exit codes. stdout is data, stderr is talk."""

import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum

from profiles.observed.status import Reason

JSON_VERSION = 1


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    CHANGES = 2
    """Of a plan alone: it would change something."""
    UNREACHABLE = 3
    STALE = 4
    ROLLED_BACK = 5
    PARTLY = 6
    USAGE = 64
    INTERRUPTED = 130


class Format(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    NAME = "name"


class CommandFailed(Exception):
    """A command cannot go on; `reason` is told to the person."""

    def __init__(self, code: Exit, reason: Reason) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def say(text: str) -> None:
    """One line of talk; what a file says in it is made harmless to a terminal."""
    from profiles.text.clean import clean

    print(f"gpuyard: {clean(text)}", file=sys.stderr, flush=True)


def say_reason(reason: Reason, about: str = "") -> None:
    """One line: what happened — what to do next."""
    from console.render.text import one_line

    text = f"{about}: {reason.text}" if about else reason.text
    say(one_line(f"{text} — {reason.hint}" if reason.hint else text))


def print_json(kind: str, items: Sequence[Mapping[str, object]]) -> None:
    """A versioned document: later versions add keys, and never change the meaning of one."""
    import msgspec

    document = {"gpuyard": JSON_VERSION, "kind": kind, "items": items}
    _write(msgspec.json.format(msgspec.json.encode(document), indent=2))


def print_json_line(kind: str, item: Mapping[str, object]) -> None:
    """One versioned object on a line of its own, for what comes bit by bit."""
    import msgspec

    _write(msgspec.json.encode({"gpuyard": JSON_VERSION, "kind": kind, **item}))


def _write(json: bytes) -> None:
    """As UTF-8, whatever the locale says: JSON is nothing else."""
    sys.stdout.flush()
    sys.stdout.buffer.write(json + b"\n")
    sys.stdout.buffer.flush()


def ask(question: str) -> bool:
    """A yes, from a terminal; anything else is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_interactive() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
