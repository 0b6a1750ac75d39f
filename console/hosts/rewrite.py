"""A person's file is replaced as a whole or not at all, and never over somebody else's change.

Under a lock on its directory: still what was read? → temporary file beside it → fsync → rename. A link stays a
link, and owner and mode stay.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from profiles.text.document import FileError

NEW_MODE = 0o644


def content(path: Path) -> bytes | None:
    """None where there is no file. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def rewrite(path: Path, before: bytes | None, after: bytes) -> None:
    """Raises FileError when `path` no longer holds `before` (None: does not exist), OSError."""
    target = path.resolve()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(target.parent) as directory:
        if content(target) != before:
            hint = "look at what is there now, then try again"
            raise FileError(str(path), 0, 0, "somebody changed this file meanwhile, so nothing was written", hint)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            _write(temporary, after, target.stat() if before is not None else None)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        os.fsync(directory)


def _write(temporary: Path, data: bytes, like: os.stat_result | None) -> None:
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, NEW_MODE if like is None else 0o600), "wb") as file:
        if like is not None:
            with suppress(PermissionError):  # only root gives files away
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fchmod(file.fileno(), like.st_mode & 0o7777)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
