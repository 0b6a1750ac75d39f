"""Who is at the other end of a Unix socket, and what that user may do."""

import os
import pwd
import socket
import struct
from dataclasses import dataclass

from profiles.status import Role

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: `struct ucred`, unix(7)


@dataclass(frozen=True, slots=True)
class Peer:
    """The kernel's word, taken when the connection was made."""

    pid: int
    uid: int

    @property
    def user(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def peer_of(connection: socket.socket) -> Peer:
    """Raises OSError."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)


def role_of(uid: int) -> Role | None:
    """The daemon's own user and root may do everything, others nothing."""
    return Role.ADMIN if uid in (os.geteuid(), 0) else None


def lowered(role: Role, wanted: str) -> Role:
    """The lesser of the two. Raises ValueError for a role that we do not know."""
    return min(role, Role(wanted), key=lambda one: one.rank)
