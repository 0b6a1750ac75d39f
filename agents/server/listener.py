"""The daemon's Unix socket in the file system: whose it is from its first moment, and whose it never becomes.

0600, or 0660 with the group of roles.toml, under a temporary name ──rename──► where consoles look
"""

import contextlib
import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from agents.errors import CannotListen

BACKLOG = 64
MAX_PATH_BYTES = 100
"""108 are what the kernel has for a path (unix(7)); some of them are for the temporary name."""


class Door:
    """A listening socket with its place in the file system. Raises CannotListen.

    Consoles can connect at once and are greeted once the Server runs. A socket that a dead daemon left there is
    replaced, since the caller holds the lock of the state directory; anything else that lies there is not.
    """

    def __init__(self, path: Path, group: str | None = None) -> None:
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            text = f"the socket path {path} is longer than {MAX_PATH_BYTES} bytes"
            raise CannotListen(text, "give a shorter --socket")
        self.path = path
        self._group = group
        self.open()

    def open(self) -> None:
        """A new socket in place of one that was lost. Raises CannotListen."""
        temporary = self.path.with_name(f".{os.getpid():x}")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _check_place(self.path)
            self._inode = _bind(listener, temporary, self.path, self._group)
        except (OSError, CannotListen) as error:
            listener.close()
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, CannotListen):
                raise
            text = f"no socket at {self.path}: {error.strerror}"
            raise CannotListen(text, "check its directory or --socket") from error
        self.socket = listener

    def is_found(self) -> bool:
        """Whether consoles that look for the path still come to us."""
        try:
            return self.path.lstat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """The file goes with it if it is still ours."""
        with contextlib.suppress(OSError):
            if self.is_found():
                self.path.unlink()
        self.socket.close()


@contextlib.contextmanager
def listen(path: Path, group: str | None = None) -> Iterator[Door]:
    """An open Door, closed at the end. Raises CannotListen."""
    with contextlib.closing(Door(path, group)) as door:
        yield door


def _bind(listener: socket.socket, temporary: Path, path: Path, group: str | None) -> int:
    """The inode of the socket at `path`. Raises OSError, CannotListen."""
    temporary.unlink(missing_ok=True)
    listener.bind(os.fspath(temporary))
    temporary.chmod(0o600)
    if group is not None:
        _let_in(path.parent, temporary, group)
    listener.listen(BACKLOG)
    temporary.rename(path)
    return path.stat().st_ino


def _check_place(path: Path) -> None:
    """Raises CannotListen where another user could put a socket of his own in place of ours, or already did."""
    directory = path.parent.stat()
    if directory.st_uid not in (0, os.geteuid()):
        raise CannotListen(f"{path.parent} belongs to uid {directory.st_uid}", "give a --socket in a directory of ours")
    if directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX:
        raise CannotListen(f"everybody can write {path.parent}", f"chmod o-w {path.parent}, or give another --socket")
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISSOCK(found.st_mode):
            raise CannotListen(f"{path} is there already and is no socket", "see who put it there, and remove it")
        if found.st_uid not in (0, os.geteuid()):
            raise CannotListen(f"{path} belongs to uid {found.st_uid}", "see who put it there, and remove it")
        if _answers(path):
            hint = "give one of them another --socket, or stop it (`ss -xlp` shows which process it is)"
            raise CannotListen(f"another process listens at {path}", hint)


def _let_in(directory: Path, place: Path, group: str) -> None:
    """Raises OSError, or CannotListen where the group would have to pass through a private directory."""
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        raise CannotListen(f"there is no Unix group {group}", "create it, or correct `group` in roles.toml") from None
    found = directory.stat()
    if not found.st_mode & (stat.S_IXOTH | (stat.S_IXGRP if found.st_gid == gid else 0)):
        hint = f"chgrp {group} {directory} and chmod g+x it, or give --socket /run/gpuyard/agent.sock"
        raise CannotListen(f"the group {group} cannot pass through {directory} to the socket", hint)
    os.chown(place, -1, gid)
    place.chmod(0o660)


def _answers(path: Path) -> bool:
    """Whether somebody living listens there; a full backlog counts."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
