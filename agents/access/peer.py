"""Who is at the other end of a Unix socket: the kernel's word, and what a bridge says beside it.

SO_PEERCRED ─► Peer          pid and uid: the only ground for a role
bridge line ─► Introduction  lowers the role; label, way and address are claims, kept for the record
"""

import pwd
import re
import socket
import struct
from dataclasses import dataclass

from agents.wire import BRIDGE_LINE
from profiles.observed.status import Role

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: `struct ucred`, unix(7)
_WORD = re.compile(r"[A-Za-z0-9._@+:%-]{1,64}")
_WAYS = ("local", "bridge", "forced")


@dataclass(frozen=True, slots=True)
class Peer:
    """Taken when the connection was made."""

    pid: int
    uid: int

    @property
    def user(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


@dataclass(frozen=True, slots=True)
class Introduction:
    """How a connection came in. `role` is the most that it may have; `label` names a person behind an account."""

    way: str = "socket"
    role: Role = Role.ADMIN
    label: str = ""
    address: str = ""


DIRECT = Introduction()
"""Of a connection that no bridge introduced."""


def peer_of(connection: socket.socket) -> Peer:
    """Raises OSError."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)


def introduced(line: bytes) -> Introduction:
    """What a bridge's first line says. Raises ValueError for one that does not say it in our words."""
    said: dict[str, str] = {}
    for word in line.removeprefix(BRIDGE_LINE).decode("ascii").split():
        key, _, value = word.partition("=")
        if key in said or key not in ("way", "role", "as", "from") or not _WORD.fullmatch(value):
            raise ValueError(f"a bridge does not say {word[:40]!r}")
        said[key] = value
    way = said.get("way", "bridge")
    if way not in _WAYS:
        raise ValueError(f"there is no way in called {way!r}")
    try:
        role = Role(said.get("role", Role.ADMIN))
    except ValueError:
        raise ValueError(f"there is no role {said['role']!r}") from None
    return Introduction(way, role, said.get("as", ""), said.get("from", ""))


def lesser(one: Role, other: Role) -> Role:
    return min(one, other, key=lambda role: role.rank)
