"""The line of sudoers, and the check without which it would give root away.

Whoever may write the program, its interpreter, its packages or a directory above them is root as soon as the line
stands: so all of them must be root's alone.
"""

import re
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from agents.privilege.ways import PROGRAM

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class NotOurs(Exception):
    """The line would be a hole. The text is a sentence."""


def sudoers(user: str, program: Path = PROGRAM) -> str:
    """No wildcard: `*` in sudoers matches blanks too; the program checks its words itself. Raises NotOurs."""
    if not _USER.fullmatch(user):
        raise NotOurs(f"{user!r} is no name of a user that sudoers takes as it is")
    if not program.exists():
        raise NotOurs(f"there is no {program}: link this program there first")
    loaded = [file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    parts = (program, *map(Path, [sys.executable, *filter(None, sys.path), *loaded]))
    if found := next(writable_by_others(parts), None):
        raise NotOurs(f"{found} can be written by others than root: install gpuyard where only root can")
    return f"{user} ALL=(root) NOPASSWD: {program}"


def writable_by_others(parts: Iterable[Path]) -> Iterator[Path]:
    """Of these files and all that is above them, also behind links, what is not root's alone."""
    for place in dict.fromkeys(place for part in parts for place in _way(part)):
        try:
            found = place.lstat()
        except OSError:
            continue  # sys.path may name what is not there; the directory above it is looked at too
        mode = found.st_mode
        others_may = not stat.S_ISLNK(mode) and mode & 0o022 and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)
        if found.st_uid != 0 or others_may:
            yield place


def _way(part: Path) -> Iterator[Path]:
    """`part`, what it leads to, and every directory above either."""
    for place in (part.absolute(), part.resolve()):
        yield place
        yield from place.parents
