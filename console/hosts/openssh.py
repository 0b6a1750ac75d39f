"""The hosts of an OpenSSH client configuration, as nodes of an inventory.

Names without `*`, `?` and `!` become nodes; blocks with patterns give values to the names that they match. What stands
below a `Match` with conditions is passed over.

From the person's own configuration only the names are taken, because every link reads the rest there anyway.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from console.hosts.imported import Imported, LeftOut
from console.hosts.sshconfig import Line, holds, read, words
from console.inventory import Node

_PATTERN = re.compile(r"[*?!]")


def imported(file: Path, *, own: bool) -> Imported:
    """`own` says that `file` is what every `ssh` of this person reads. Raises FileError."""
    lines = list(read(file.expanduser()))
    left_out = [LeftOut(f"Match {line.value}", "what stands below a Match is not read")
                for line in lines if line.word == "match" and not line.judged]  # fmt: skip
    nodes = {}
    for name in _names(lines):
        if _PATTERN.search(name):
            left_out.append(LeftOut(name, "a pattern names no host"))
            continue
        found = _first_values(lines, name)
        nodes[name] = Node(address=name) if own else _node(name, found)
        if "%" in (nodes[name].identity_file or ""):
            left_out.append(LeftOut(name, f"IdentityFile {nodes[name].identity_file} is filled in by ssh alone"))
            nodes[name] = replace(nodes[name], identity_file=None)
        if not own and found.get("proxyjump", "none").lower() != "none":
            why = f"ProxyJump {found['proxyjump']} has no place in the inventory: put it into ~/.ssh/config"
            left_out.append(LeftOut(name, why))
    return Imported(nodes, left_out)


def _names(lines: Sequence[Line]) -> list[str]:
    """What stands behind each `Host`, once, if the `Host` lines around an Include allow it."""
    hosts = [line for line in lines if line.word == "host" and line.judged]
    named = ((name, line._replace(under=line.under[:-1])) for line in hosts for name in words(line.value))
    return list(dict.fromkeys(name for name, around in named if holds(around, name)))


def _first_values(lines: Sequence[Line], name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if line.judged and holds(line, name):
            found.setdefault(line.word, line.value)
    return found


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
    said = words(found.get(key, ""))
    return said[0] if said and said[0].lower() != "none" else None
