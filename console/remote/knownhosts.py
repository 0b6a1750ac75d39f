"""The known hosts of several files, read once and looked up by name.

asyncssh parses every key of a file and tries every hashed line for each connect: with 5,000 hashed lines that is a
tenth of a second of blocked loop a node. Here a look-up finds the lines first; only their keys are parsed, and what
was found is kept for as long as the files stay the same.

    line ──► exact name ──► a table          @markers are kept with their line
         ├─► |1|salt|hash ► one HMAC a name, a node asks once
         └─► * ? ! , / ───► left to asyncssh, they are few
"""

import binascii
import hmac
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import asyncssh

from console.remote import hostkeys

KEPT = 16
_PATTERN_SIGNS = frozenset("*?!/")


class _Hashed(NamedTuple):
    salt: bytes
    digest: bytes
    line: str


class KnownHosts(asyncssh.SSHKnownHosts):
    """Lines that cannot be read are passed over, as OpenSSH does."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._by_name: dict[str, list[str]] = {}
        self._hashed: list[_Hashed] = []
        self._patterns: list[str] = []
        self._found: dict[tuple[str, str, int | None], asyncssh.SSHKnownHosts] = {}
        for line in text.splitlines():
            self._add(line.strip())

    def match(self, host: str, addr: str, port: int | None):  # type: ignore[no-untyped-def]  # asyncssh's is private
        """As asyncssh has it: a port that is not known by itself is looked up without it."""
        asked = (host, addr, port)
        if asked not in self._found:
            self._found[asked] = self._known_to(host, addr, port)
        return self._found[asked].match(host, addr, port)

    def _add(self, line: str) -> None:
        words = line.split(None, 2)
        if line.startswith("#") or len(words) < 2:
            return
        names = words[1] if line.startswith("@") else words[0]
        if names.startswith("|1|"):
            salt, _, digest = names[3:].partition("|")
            try:
                self._hashed.append(_Hashed(binascii.a2b_base64(salt), binascii.a2b_base64(digest), line))
            except binascii.Error:
                return
        elif _PATTERN_SIGNS.isdisjoint(names):
            for name in names.split(","):
                self._by_name.setdefault(name, []).append(line)
        else:
            self._patterns.append(line)

    def _known_to(self, host: str, addr: str, port: int | None) -> asyncssh.SSHKnownHosts:
        names = [name for name in dict.fromkeys((host, addr)) if name]
        if port:
            names += [f"[{name}]:{port}" for name in names]
        lines = [line for name in names for line in self._by_name.get(name, ())] + self._patterns
        asked = [name.encode() for name in names]
        lines += [
            one.line for one in self._hashed if any(hmac.digest(one.salt, name, "sha1") == one.digest for name in asked)
        ]
        found = asyncssh.SSHKnownHosts()
        for line in dict.fromkeys(lines):
            try:
                found.load(line)
            except ValueError:
                continue
        return found


def known_in(files: Sequence[Path]) -> KnownHosts:
    """The known hosts of `files`, read again once one of them is another."""
    return _read(tuple((file, _mark(file)) for file in files))


@lru_cache(maxsize=KEPT)
def _read(marked: tuple[tuple[Path, object], ...]) -> KnownHosts:
    return KnownHosts(hostkeys.read([file for file, _ in marked]))


def _mark(file: Path) -> object:
    """What changes with the content; None for a file that is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
