"""Which lines of the ssh configuration apply to a host, and where they stand (ssh_config(5), OpenSSH 10).

Links read the person's own file and what it includes, not the system's; the first value of a word wins. What stands
below a `Match` with conditions is not judged: it may run commands; asyncssh decides about it itself.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

USER_FILE = Path("~/.ssh/config")
INCLUDES_DEEP = 16
BYTES_AT_MOST = 1024 * 1024

SEVERAL = frozenset({"identityfile", "certificatefile", "localforward", "remoteforward", "sendenv", "setenv"})
"""Words of which every line counts."""

_LINE = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*")


class Line(NamedTuple):
    """`word` in small letters. `judged` False stands below a `Match` whose conditions nobody looked at."""

    file: Path
    number: int
    word: str
    value: str
    judged: bool = True

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"


def lines_for(host: str, files: Sequence[Path] = (USER_FILE,)) -> list[Line]:
    """Those that decide something about `host`. Files that are missing say nothing."""
    found: list[Line] = []
    taken: set[str] = set()
    for file in files:
        for line in _applying(file.expanduser(), host, True, 0):
            if line.judged and line.word not in SEVERAL:
                if line.word in taken:
                    continue
                taken.add(line.word)
            found.append(line)
    return found


def values(lines: Sequence[Line], word: str) -> list[str]:
    """What the judged lines say of `word`, without quotes."""
    return [" ".join(_words(line.value)) for line in lines if line.word == word and line.judged]


def _applying(file: Path, host: str, applies: bool | None, depth: int) -> Iterator[Line]:
    """`applies`: True, False, or None where a `Match` was not judged."""
    try:
        with file.open("rb") as opened:
            text = opened.read(BYTES_AT_MOST).decode("utf-8", "replace")
    except OSError:
        return
    around = applies
    for number, raw in enumerate(text.splitlines(), start=1):
        matched = _LINE.fullmatch(raw)
        if matched is None:
            continue
        word, value = matched[1].lower(), matched[2]
        if word == "host":
            applies = around and _matches(_words(value), host)
        elif word == "match":
            applies = around if value.lower() == "all" else None if around is not False else False
        elif word == "include" and applies is not False and depth < INCLUDES_DEEP:
            for included in _included(value):
                yield from _applying(included, host, applies, depth + 1)
        elif applies is not False:
            yield Line(file, number, word, value, judged=applies is True)


def _matches(patterns: Sequence[str], host: str) -> bool:
    """A pattern with `!` that matches speaks against all others."""
    refused = any(fnmatchcase(host, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
    return not refused and any(fnmatchcase(host, pattern) for pattern in patterns if not pattern.startswith("!"))


def _included(value: str) -> Iterator[Path]:
    """Names without a `/` in front are of `~/.ssh`."""
    for pattern in _words(value):
        path = USER_FILE.expanduser().parent / Path(pattern).expanduser()
        yield from sorted(one for one in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if one.is_file())


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value, comments=True)
    except ValueError:  # a quote that is not closed; ssh refuses the line
        return []
