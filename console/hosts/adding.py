"""What taking hosts into an inventory comes to, before anything is written."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from console.hosts.edit import Draft, complaint
from console.hosts.imported import LeftOut
from console.inventory import Node

_HOST = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:@]+|[^@]*:[^@]*:[^@]*))(?::(?P<port>[0-9]+))?"
)


class Choice(StrEnum):
    ADD = "add"
    HERE = "already here"
    LEFT_OUT = "left out"


class Candidate(NamedTuple):
    """`why` it is left out. `node` None where it never was one."""

    name: str
    choice: Choice
    node: Node | None = None
    why: str = ""


def host(text: str) -> tuple[str, Node]:
    """`[USER@]HOST[:PORT]` → the host and a node; an IPv6 address with a port stands in brackets. Raises ValueError."""
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` is no host")
    address = found["six"] or found["host"]
    return address, Node(address=address, user=found["user"], port=int(found["port"]) if found["port"] else None)


def candidates(draft: Draft, nodes: Mapping[str, Node], left_out: Iterable[LeftOut] = ()) -> list[Candidate]:
    """In the order of `nodes`. Raises FileError when `draft` is no inventory."""
    present = draft.inventory().nodes if draft.names else {}
    found = []
    for name, node in nodes.items():
        if why := complaint(name, node):
            found.append(Candidate(name, Choice.LEFT_OUT, node, why))
        elif name not in present:
            found.append(Candidate(name, Choice.ADD, node))
        elif present[name] == node:
            found.append(Candidate(name, Choice.HERE, node))
        else:
            text = "a node of this name is here with other values, and stays as it is"
            found.append(Candidate(name, Choice.LEFT_OUT, node, text))
    return found + [Candidate(one.what, Choice.LEFT_OUT, None, one.why) for one in left_out]
