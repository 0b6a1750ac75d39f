"""Small JSON files that survive a crash, each with the version of its form and a checksum.

    {"version": 1, "crc32": …, "data": …}

A write is a temporary file in the same directory, fsync, rename, fsync of the directory: a reader sees the
old file or the new one. `save` keeps the file before as `<name>.prev`, which `load` falls back to. A file that
cannot be read is set aside as `<name>.corrupt`, never deleted; one of a newer version is left where it is.
"""

import contextlib
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from agents.errors import BadState
from agents.failpoints import reach

VERSION = 1

T = TypeVar("T")


class Versioned(msgspec.Struct, frozen=True):
    """`data` stays undecoded until version and checksum are known to be right. `crc32` is of both."""

    version: int
    data: msgspec.Raw
    crc32: int | None = None
    """None in files from before there was one."""


class Damaged(msgspec.Struct, Generic[T], frozen=True):
    """A file that is not what was written; `previous` is the last good one before it, None where there is none."""

    problem: str
    """A sentence for an event."""
    previous: T | None = None
    set_aside: Path | None = None
    """Where the damaged file is now; None when there was no file, but one before it."""


def write_atomic(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path`; durable when this returns. Only one process writes there.

    Raises OSError, and then `path` is what it was; only where the directory cannot be synced it may be either.
    """
    reach("before-write")
    temporary = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        reach("before-rename")
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    reach("after-rename")
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and new names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(path: Path, data: object) -> None:
    """Write `data` under the current version; what was there becomes `<name>.prev`. Raises OSError."""
    encoded = msgspec.json.encode(data)
    content = msgspec.json.encode(Versioned(VERSION, msgspec.Raw(encoded), _checksum(VERSION, encoded)))
    _keep_previous(path)
    write_atomic(path, content)


def load(path: Path, kind: type[T]) -> T | Damaged[T] | None:
    """The content; None without a file; Damaged where it could not be read, or only the one before is there.

    Raises BadState for a file of a newer version, which stays as it is, and OSError.
    """
    found = peek(path, kind)
    if not isinstance(found, Damaged):
        before = peek(_previous(path), kind) if found is None else None
        if before is None or isinstance(before, Damaged):
            return found
        return Damaged(f"{path.name} is gone; the one before it is used", before)
    before = peek(_previous(path), kind)
    aside = set_aside(path)
    kept = f"{found.problem}; kept as {aside.name}"
    if before is None or isinstance(before, Damaged):
        return Damaged(kept, None, aside)
    return Damaged(f"{kept}, the one before it is used", before, aside)


def peek(path: Path, kind: type[T]) -> T | Damaged[T] | None:
    """As `load`, but of this very file, and nothing is renamed. Raises BadState, OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        outer = msgspec.json.decode(content, type=Versioned)
        if outer.crc32 is not None and outer.crc32 != _checksum(outer.version, bytes(outer.data)):
            return Damaged(f"{path.name} cannot be read (its checksum is wrong)")
        if outer.version > VERSION:
            raise BadState(
                f"{path} has version {outer.version}, this program reads up to {VERSION}",
                "start the newer gpuyard-agent that wrote it",
            )
        return msgspec.json.decode(outer.data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Damaged(f"{path.name} cannot be read ({error})")


def check(paths: Iterable[Path]) -> None:
    """Touches nothing. Raises BadState when one of the files is of a newer version than this build reads, OSError."""
    for path in paths:
        peek(path, msgspec.Raw)


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.corrupt`, or `.corrupt.2` and on; never over an earlier one."""
    aside = path.with_name(f"{path.name}.corrupt")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt.{number}")
    path.rename(aside)
    sync_directory(path.parent)
    return aside


def _keep_previous(path: Path) -> None:
    """A second name for the file there is: `path` itself is never gone."""
    second = path.with_name(f".{path.name}.prev")
    with contextlib.suppress(FileNotFoundError):
        second.unlink(missing_ok=True)
        os.link(path, second)
        second.replace(_previous(path))


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.prev")


def _checksum(version: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(b"%d " % version))
