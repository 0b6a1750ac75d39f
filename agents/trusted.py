"""Files that decide what a node does: believed only if nobody but root and the daemon's own user can write them."""

import os
import stat
from pathlib import Path

from agents.errors import AgentError


class Untrusted(AgentError):
    """The file is missing, too long, or others could have written it. Without a `hint`, it just cannot be read."""


def read_trusted(path: Path, max_bytes: int) -> bytes:
    """Raises Untrusted."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Untrusted(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        for place, found in ((path, os.fstat(file.fileno())), (path.parent, path.parent.stat())):
            _check_writers(place, found)
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise Untrusted(f"{path}: longer than {max_bytes} bytes", "shorten it")
    return content


def file_mark(path: Path) -> object:
    """Another one as soon as the file, or who may write it, is another; None without one."""
    try:
        found, around = path.lstat(), path.parent.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size, around.st_mode, around.st_uid


def _check_writers(place: Path, found: os.stat_result) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise Untrusted(f"{place} belongs to uid {found.st_uid}", f"chown root {place}")
    open_to_all = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if open_to_all and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        raise Untrusted(f"others can write {place}", f"chmod go-w {place}")
