"""Host keys that a person has said yes to: files and fingerprints, no ssh.

The console's own file is written here; the user's known_hosts files are only read.
"""

import base64
import errno
import fcntl
import hashlib
import os
import re
from pathlib import Path

import msgspec

from console.directories import config_directory

NO_FILES_LEFT = (errno.EMFILE, errno.ENFILE)
SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")


class UnknownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a host showed and nobody has vouched for yet. `fingerprint` is as `ssh-keygen -lf` prints it."""

    host: str
    port: int
    algorithm: str
    fingerprint: str
    key: str
    """Base64, as in a known_hosts file."""
    asked: str = ""
    """The address that was asked for, before the ssh config had its say: a node's, or a jump host's."""

    @property
    def line(self) -> str:
        """As a known_hosts file has it."""
        return f"{known_as(self.host, self.port)} {self.algorithm} {self.key}"


def known_as(host: str, port: int | None) -> str:
    """What a known_hosts file calls a host."""
    return host if port in (None, 22) else f"[{host}]:{port}"


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A known host has proved that it has the keys `added`, and no longer offers those of `removed`."""

    host: str
    port: int
    added: tuple[UnknownKey, ...]
    removed: tuple[UnknownKey, ...]


def unknown_key(host: str, port: int, algorithm: str, blob: bytes, asked: str = "") -> UnknownKey:
    """`blob` is the public key in its wire encoding (RFC 4253)."""
    key = base64.b64encode(blob).decode()
    return UnknownKey(host=host, port=port, algorithm=algorithm, fingerprint=fingerprint(blob), key=key, asked=asked)


def fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def own_file() -> Path:
    return config_directory() / "known_hosts"


def read(files: list[Path]) -> str:
    """The lines of all `files` that exist, one text; a file that cannot be read vouches for nobody.

    Raises OSError only where no file at all can be opened: then nothing is known about anybody.
    """
    texts = []
    for file in files:
        try:
            texts.append(file.read_text("utf-8", "replace"))
        except OSError as error:
            if error.errno in NO_FILES_LEFT:
                raise
    return "\n".join(texts)


def store(key: UnknownKey) -> None:
    """Append `key` to the console's own file, readable by its owner alone. Raises OSError."""
    if re.search(r"[\s,*?!|]", key.host):
        raise OSError(f"`{key.host}` cannot stand in a known_hosts file")
    path = own_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read()
        gap = b"" if before.endswith(b"\n") or not before else b"\n"
        file.write(gap + key.line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def renew(rotation: Rotation) -> None:
    """A person says yes: record the new keys, then forget the old ones in the console's own file. Raises OSError."""
    for key in rotation.added:
        store(key)
    gone = {key.line for key in rotation.removed}
    path = own_file()
    if not gone or not path.exists():
        return
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        kept = [line for line in held.read().decode("utf-8", "replace").splitlines() if _bare(line) not in gone]
        fresh = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write("".join(f"{line}\n" for line in kept))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def _bare(line: str) -> str:
    """Without the comment that may stand behind a key."""
    return " ".join(line.split()[:3])
