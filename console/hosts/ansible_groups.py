"""Groups of hosts as an Ansible inventory lists them, whatever its format."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

HOSTS_AT_MOST = 10_000

_RANGE = re.compile(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\]")


@dataclass
class Group:
    """As a list says it; variables as text."""

    hosts: dict[str, dict[str, str]] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


Groups = dict[str, Group]


def expanded(pattern: str) -> list[str]:
    """`host[01:10].x` → host01.x … host10.x, `[a:c]` and a step included. Raises ValueError."""
    found = list(islice(_expanded(pattern), HOSTS_AT_MOST + 1))
    if len(found) > HOSTS_AT_MOST:
        raise ValueError(f"`{pattern}` is more than {HOSTS_AT_MOST} hosts")
    return found


def _expanded(pattern: str) -> Iterator[str]:
    matched = _RANGE.search(pattern)
    if matched is None:
        yield pattern
        return
    for one in _between(matched[1], matched[2], int(matched[3] or 1)):
        for rest in _expanded(pattern[matched.end() :]):
            yield pattern[: matched.start()] + one + rest


def _between(first: str, last: str, step: int) -> Iterator[str]:
    if first.isdecimal() != last.isdecimal() or not step:
        raise ValueError(f"[{first}:{last}] is no range")
    if first.isdecimal():
        width = len(first) if first.startswith("0") else 0
        yield from (str(number).zfill(width) for number in range(int(first), int(last) + 1, step))
    else:
        yield from (chr(sign) for sign in range(ord(first), ord(last) + 1, step))
