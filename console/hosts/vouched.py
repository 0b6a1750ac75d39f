"""A reviewed list of host keys: whom somebody vouches for, by fingerprint.

fra-1 SHA256:4AXd…                      # a node, its address, or [address]:port
256 SHA256:4AXd… root@fra-1 (ED25519)   # as `ssh-keygen -lf` prints it
fra-1,10.0.0.1 ssh-ed25519 AAAAC3…      # as known_hosts has it, hashed names included
"""

import base64
import binascii
import hashlib
import hmac
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from console.remote.hostkeys import fingerprint
from profiles.text.document import FileError

BYTES_AT_MOST = 4 * 1024 * 1024
STDIN = "-"

_PRINT = r"(SHA256:[A-Za-z0-9+/]{43})=?"
_SHORT = re.compile(rf"(\S+)\s+{_PRINT}(?:\s+#.*)?")
_LISTED = re.compile(rf"[0-9]+\s+{_PRINT}\s+(\S+)(?:\s.*)?\s\([A-Z0-9-]+\)")
_KNOWN = re.compile(r"(\S+)\s+([a-z0-9@.-]+)\s+([A-Za-z0-9+/]+={0,2})(?:\s.*)?")


class Vouched(NamedTuple):
    """One line of the list. `algorithm` is "" where the line does not say it."""

    hosts: tuple[str, ...]
    fingerprint: str
    algorithm: str
    line: int

    def speaks_of(self, names: Iterable[str]) -> bool:
        return any(_is_called(host, name) for host in self.hosts for name in names)


def read(source: str) -> list[Vouched]:
    """Of a file, or `-` for stdin. Raises FileError at the first line that is none of the three kinds."""
    found = []
    for number, line in enumerate(_text(source).splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        vouched = _vouched(line, number)
        if vouched is None:
            hint = "`HOST SHA256:…`, or a line of known_hosts; `@cert-authority` belongs into known_hosts itself"
            raise FileError(source, number, 1, "this line vouches for no host key", hint)
        found.append(vouched)
    return found


def _vouched(line: str, number: int) -> Vouched | None:
    if matched := _SHORT.fullmatch(line):
        return Vouched(tuple(matched[1].split(",")), matched[2], "", number)
    if matched := _LISTED.fullmatch(line):
        return Vouched(tuple(matched[2].rpartition("@")[2].split(",")), matched[1], "", number)
    matched = _KNOWN.fullmatch(line)
    if matched is None or matched[1].startswith("@"):
        return None
    try:
        blob = base64.b64decode(matched[3], validate=True)
    except binascii.Error:
        return None
    if not blob.startswith(len(matched[2]).to_bytes(4) + matched[2].encode()):
        return None
    return Vouched(tuple(matched[1].split(",")), fingerprint(blob), matched[2], number)


def _is_called(host: str, name: str) -> bool:
    """Hashed names are `|1|salt|HMAC-SHA1` (sshd(8))."""
    if not host.startswith("|1|"):
        return host == name
    salt, _, digest = host[3:].partition("|")
    try:
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(made, base64.b64decode(digest))
    except binascii.Error:
        return False


def _text(source: str) -> str:
    try:
        if source == STDIN:
            return sys.stdin.read(BYTES_AT_MOST)
        with Path(source).expanduser().open("rb") as file:
            return file.read(BYTES_AT_MOST).decode("utf-8-sig", "replace")
    except OSError as error:
        raise FileError(source, 0, 0, f"cannot be read: {error.strerror}", "check the path and its rights") from None
