"""Small JSON files that survive a crash, each with the version of its form.

    {"version": 1, "data": …}

A write is a temporary file in the same directory, fsync, rename, fsync of the directory: a reader sees the
old file or the new one. A file that cannot be decoded is set aside as `<name>.corrupt`, never deleted.
"""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from agents.errors import BadState
from agents.failpoints import reach

VERSION = 1

T = TypeVar("T")


class Versioned(msgspec.Struct, frozen=True):
    """`data` stays undecoded until the version is known to be one that we read."""

    version: int
    data: msgspec.Raw


class Damaged(msgspec.Struct, frozen=True):
    """What a damaged file left: `set_aside` is where it went; `problem` a sentence for an event."""

    set_aside: Path
    problem: str


def write_atomic(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path`; durable when this returns. Raises OSError, and then `path` is what it was."""
    reach("before-write")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        reach("before-rename")
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
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
    """Write `data` under the current version. Raises OSError."""
    write_atomic(path, msgspec.json.encode(Versioned(VERSION, msgspec.Raw(msgspec.json.encode(data)))))


def load(path: Path, kind: type[T]) -> T | Damaged | None:
    """The content; None without a file; Damaged where a damaged one was set aside.

    Raises BadState for a file of a newer version, and OSError.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        outer = msgspec.json.decode(content, type=Versioned)
        if outer.version > VERSION:
            raise BadState(
                f"{path} has version {outer.version}, this program reads up to {VERSION}",
                "start the newer gpuyard-agent that wrote it",
            )
        return msgspec.json.decode(outer.data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Damaged(aside := set_aside(path), f"{path.name} cannot be read ({error}); kept as {aside.name}")


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
