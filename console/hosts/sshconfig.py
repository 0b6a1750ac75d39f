"""An OpenSSH client configuration line by line, and which of its lines decide about a host (ssh_config(5), OpenSSH 10).

Links read the person's own file and what it includes, not the system's; the first value of a word wins. What stands
below a `Match` with conditions is not judged: it may run commands; asyncssh decides about it itself.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from profiles.text.document import FileError

USER_FILE = Path("~/.ssh/config")
SYSTEM_DIRECTORY = Path("/etc/ssh")
INCLUDES_DEEP = 16
BYTES_AT_MOST = 1024 * 1024

SEVERAL = frozenset({"identityfile", "certificatefile", "localforward", "remoteforward", "sendenv", "setenv"})
"""Words of which every line counts."""
STRUCTURE = frozenset({"host", "match", "include"})
"""Words that say where others apply."""

_LINE = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*")

Patterns = tuple[str, ...]


class Line(NamedTuple):
    """`word` in small letters. `judged` False stands below a `Match` whose conditions nobody looked at."""

    file: Path
    number: int
    word: str
    value: str
    under: tuple[Patterns, ...] = ()
    """Of each `Host` around it, its own patterns included if it is one; a host must match all of them."""
    judged: bool = True

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"


def read(file: Path, around: tuple[Patterns, ...] = (), judged: bool = True, depth: int = 0) -> Iterator[Line]:
    """All lines in the order in which ssh reads them; the rest is what an Include stands under. Raises FileError."""
    under, inside = around, judged
    for number, raw in enumerate(_text(file).splitlines(), start=1):
        matched = _LINE.fullmatch(raw)
        if matched is None:
            continue
        word, value = matched[1].lower(), matched[2]
        match word:
            case "host":
                under, inside = (*around, tuple(words(value))), judged
            case "match":
                under, inside = around, judged and value.lower() == "all"
        yield Line(file, number, word, value, under, inside)
        if word == "include":
            if depth >= INCLUDES_DEEP:
                raise FileError(str(file), number, 1, f"Include goes deeper than {INCLUDES_DEEP}", "does it lead back?")
            for included in _included(file, value):
                yield from read(included, under, inside, depth + 1)


def lines_for(host: str, files: Sequence[Path] = (USER_FILE,)) -> list[Line]:
    """Those that decide something about `host`. What cannot be read says nothing."""
    found: list[Line] = []
    taken: set[str] = set()
    for file in files:
        with suppress(FileError):
            for line in read(file.expanduser()):
                if line.word in STRUCTURE or line.word in taken or not holds(line, host):
                    continue
                if line.judged and line.word not in SEVERAL:
                    taken.add(line.word)
                found.append(line)
    return found


def values(lines: Sequence[Line], word: str) -> list[str]:
    """What the judged lines say of `word`, without quotes."""
    return [" ".join(words(line.value)) for line in lines if line.word == word and line.judged]


def holds(line: Line, host: str) -> bool:
    """Whether every `Host` around it speaks of `host`."""
    return all(_matches(patterns, host) for patterns in line.under)


def words(value: str) -> list[str]:
    try:
        return shlex.split(value, comments=True)
    except ValueError:  # a quote that is not closed; ssh refuses the line
        return []


def _matches(patterns: Patterns, host: str) -> bool:
    """A pattern with `!` that matches speaks against all others."""
    refused = any(fnmatchcase(host, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
    return not refused and any(fnmatchcase(host, pattern) for pattern in patterns if not pattern.startswith("!"))


def _included(file: Path, value: str) -> Iterator[Path]:
    """Names without a `/` in front are of `~/.ssh`, in the system's files of `/etc/ssh`; missing files are fine."""
    base = SYSTEM_DIRECTORY if file.is_relative_to(SYSTEM_DIRECTORY) else USER_FILE.expanduser().parent
    for pattern in words(value):
        path = base / Path(pattern).expanduser()
        yield from sorted(one for one in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if one.is_file())


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(BYTES_AT_MOST).decode("utf-8", "replace")
    except OSError as error:
        raise FileError(str(file), 0, 0, f"cannot be read: {error.strerror}", "check the path and its rights") from None
