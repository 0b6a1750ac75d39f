"""The hosts of an OpenSSH client configuration (ssh_config(5), OpenSSH 10).

Names without `*`, `?` and `!` become nodes; blocks with patterns give values to the names that they match, and the
first value wins, as in ssh. What stands below `Match` is passed over: it may run commands.

From the person's own configuration only the names are taken, because every link reads the rest there anyway.
"""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from console.hosts.imported import Imported, LeftOut
from console.inventory import Node
from profiles.document import FileError

USER_FILE = Path("~/.ssh/config")
SYSTEM_DIRECTORY = Path("/etc/ssh")
INCLUDES_DEEP = 16
BYTES_AT_MOST = 1024 * 1024

_LINE = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)")
_PATTERN = re.compile(r"[*?!]")


class _Setting(NamedTuple):
    """A line, and the `Host` patterns that it stands under: all of them must match. None: below a `Match`."""

    under: tuple[tuple[str, ...], ...] | None
    key: str
    value: str


def imported(file: Path, *, own: bool) -> Imported:
    """`own` says that `file` is what every `ssh` of this person reads. Raises FileError."""
    settings, left_out = list[_Setting](), list[LeftOut]()
    for setting in _settings(file.expanduser(), (), 0):
        settings.append(setting)
        if setting.key == "match":
            left_out.append(LeftOut(f"Match {setting.value}", "what stands below a Match is not read"))
    names = dict.fromkeys(
        name for setting in settings if setting.key == "host" for name in _words(setting.value)
        if _holds(setting.under and setting.under[:-1], name)
    )  # fmt: skip
    nodes = {}
    for name in names:
        if _PATTERN.search(name):
            left_out.append(LeftOut(name, "a pattern names no host"))
            continue
        found = _values(settings, name)
        nodes[name] = Node(address=name) if own else _node(name, found)
        if "%" in (nodes[name].identity_file or ""):
            left_out.append(LeftOut(name, f"IdentityFile {nodes[name].identity_file} is filled in by ssh alone"))
            nodes[name] = replace(nodes[name], identity_file=None)
        if not own and found.get("proxyjump", "none").lower() != "none":
            why = f"ProxyJump {found['proxyjump']} has no place in the inventory: put it into ~/.ssh/config"
            left_out.append(LeftOut(name, why))
    return Imported(nodes, left_out)


def _settings(file: Path, around: tuple[tuple[str, ...], ...] | None, depth: int) -> Iterator[_Setting]:
    """All lines in the order in which ssh reads them; `around` is what an Include stands under."""
    under = around
    for number, line in enumerate(_text(file).splitlines(), start=1):
        matched = _LINE.fullmatch(line.rstrip())
        if matched is None:
            continue
        key, value = matched[1].lower(), matched[2]
        if key == "host":
            under = None if around is None else (*around, tuple(_words(value)))
        elif key == "match":
            under = None
        elif key == "include" and under is not None:
            if depth >= INCLUDES_DEEP:
                raise FileError(str(file), number, 1, f"Include goes deeper than {INCLUDES_DEEP}", "does it lead back?")
            for included in _included(file, value):
                yield from _settings(included, under, depth + 1)
            continue
        yield _Setting(under, key, value)


def _included(file: Path, value: str) -> Iterator[Path]:
    """Names without a `/` in front are of `~/.ssh`, in the system's files of `/etc/ssh`; missing files are fine."""
    base = SYSTEM_DIRECTORY if file.is_relative_to(SYSTEM_DIRECTORY) else USER_FILE.expanduser().parent
    for pattern in _words(value):
        path = base / Path(pattern).expanduser()
        yield from sorted(one for one in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if one.is_file())


def _values(settings: list[_Setting], name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for setting in settings:
        if _holds(setting.under, name):
            found.setdefault(setting.key, setting.value)
    return found


def _holds(under: tuple[tuple[str, ...], ...] | None, name: str) -> bool:
    return under is not None and all(_matches(patterns, name) for patterns in under)


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    """A pattern with `!` that matches speaks against all others."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    refused = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return any(fnmatchcase(name, one) for one in wanted) and not any(fnmatchcase(name, one) for one in refused)


def _node(name: str, found: dict[str, str]) -> Node:
    address = (_first(found, "hostname") or name).replace("%h", name).replace("%%", "%")
    port = _first(found, "port")
    return Node(
        address=address,
        port=int(port) if port and port.isdecimal() else None,
        user=_first(found, "user"),
        identity_file=_first(found, "identityfile"),
    )


def _first(found: dict[str, str], key: str) -> str | None:
    words = _words(found.get(key, ""))
    return words[0] if words and words[0].lower() != "none" else None


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value, comments=True)
    except ValueError:  # a quote that is not closed; ssh refuses the line
        return []


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(BYTES_AT_MOST).decode("utf-8", "replace")
    except OSError as error:
        raise FileError(str(file), 0, 0, f"cannot be read: {error.strerror}", "check the path and its rights") from None
