"""HAProxy's `show stat`, CSV with a line of names, as the counters of a gateway and of its members. Pure."""

import csv
from collections.abc import Mapping
from typing import NamedTuple

from engines.haproxy import BACKEND, FRONTEND, NETWORK
from profiles.desired.gateway import MemberState


class Server(NamedTuple):
    """A member as HAProxy has it. `weight` is what it was told; `withdrawn`: in maintenance, about to be removed."""

    name: str
    state: MemberState
    withdrawn: bool
    weight: int
    sessions: int
    requests: int
    failed: int
    first_byte_ms: int
    total_ms: int


class Stats(NamedTuple):
    """All since the gateway was started."""

    requests: int
    failed: int
    servers: dict[str, Server]
    listens: bool | None = None
    """For other machines; None for a gateway that has no address for them."""


def read(text: str) -> Stats:
    """Text that is empty, cut off or foreign gives what is in it."""
    requests = failed = 0
    listens: bool | None = None
    servers = {}
    for row in csv.DictReader(text.lstrip("# ").splitlines()):
        match row.get("pxname"), row.get("svname"):
            case (proxy, "FRONTEND") if proxy in (FRONTEND, NETWORK):
                requests += max(0, _number(row, "req_tot") - _number(row, "intercepted"))
                failed += _number(row, "hrsp_5xx")
                listens = row.get("status") == "OPEN" if proxy == NETWORK else listens
            case (proxy, str(name)) if proxy == BACKEND and name != "BACKEND":
                servers[name] = _server(name, row)
    return Stats(requests, failed, servers, listens)


def _server(name: str, row: Mapping[str, str | None]) -> Server:
    status = row.get("status") or ""
    state = MemberState.DRAINING if status.startswith(("DRAIN", "MAINT")) else MemberState.UP
    return Server(
        name=name,
        state=MemberState.DOWN if status.startswith(("DOWN", "NOLB")) else state,
        withdrawn=status.startswith("MAINT"),
        weight=_number(row, "uweight"),
        sessions=_number(row, "scur"),
        requests=_number(row, "stot"),
        failed=_number(row, "hrsp_5xx"),
        first_byte_ms=_number(row, "rtime"),
        total_ms=_number(row, "ttime"),
    )


def _number(row: Mapping[str, str | None], key: str) -> int:
    found = row.get(key) or ""
    return int(found) if found.isdecimal() else 0
