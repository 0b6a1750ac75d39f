"""Values that profiles only name. A secret is a file of the state directory, readable by its owner alone.

secrets/hf-token ──read_secret──► the environment of one engine, through the shim's stdin
                 ──Secrets──────► Redactor: what engines print of it is not served
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from agents.errors import AgentError
from agents.layout import Layout
from agents.redaction import Redactor

MAX_BYTES = 64 * 1024
REMEMBERED = 8
"""Values of one name that are known at a time: a secret changes, and an engine goes on with the one before."""


class SecretUnusable(AgentError):
    """`code` says how: secret_missing or secret_open."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.code = code


def read_secret(layout: Layout, name: str) -> str:
    """The value of `name` without its last line end. Raises SecretUnusable; the value is in no message."""
    try:
        return _read(layout.secret(name), name)
    except (OSError, ValueError):
        hint = f"write its value to {layout.secrets}/{name} on the node, mode 600"
        raise SecretUnusable("secret_missing", f"the node has no secret `{name}`", hint) from None


class Secrets:
    """Every value that is or was in `directory` since this agent began, or that an engine was found with."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, object] = {}
        self._values: dict[str, list[str]] = {}
        self._redactor = Redactor({})
        self.look()

    def look(self) -> None:
        """Take note of what is there now; to be called before a value is used."""
        try:
            found = {path.name: (path, path.lstat()) for path in self._directory.iterdir()}
        except OSError:
            return
        for name, (path, status) in found.items():
            mark = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
            if self._seen.get(name) == mark:
                continue
            self._seen[name] = mark
            try:
                self.remember(name, _read(path, name))
            except (OSError, ValueError, SecretUnusable):
                continue  # an engine that wants it will say so

    def remember(self, name: str, value: str) -> None:
        """Know `value` as a secret of that name."""
        kept = self._values.setdefault(name, [])
        if value not in kept:
            kept.append(value)
            del kept[:-REMEMBERED]
            self._redactor = Redactor(self._values)

    def remember_engine(self, pid: int, variables: Mapping[str, str]) -> None:
        """The values that an adopted engine was started with; `variables` are its variables and their secrets."""
        try:
            entries = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            return
        for entry in entries:
            variable, _, value = entry.partition("=")
            if name := variables.get(variable):
                self.remember(name, value)

    def redactor(self) -> Redactor:
        self.look()
        return self._redactor


def _read(path: Path, name: str) -> str:
    """Raises SecretUnusable, OSError, and ValueError for what is no text."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise ValueError("not a file of this size")
        if found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
            raise SecretUnusable("secret_open", f"others can read the secret `{name}`", f"chown and chmod 600 {path}")
        return file.read().decode().removesuffix("\n")
