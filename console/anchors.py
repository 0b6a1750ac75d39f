"""What this console remembers of each node's audit, so that a history which was rewritten is found out.

    Hello says record 120 has hash h ─► nothing remembered      ─► remember
                                     ─► before the remembered   ─► doubt: records are gone
                                     ─► after the remembered    ─► ask for its hash: the same ─► remember the new one
                                                                                     another ─► doubt

What is doubted stays remembered until a person accepts the audit as it is.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from agents.wire import Anchor, Hello
from console.directories import state_directory
from profiles.observed.status import Reason

KEPT = 5000
HINT = "see `gpuyard audit verify {node}`; once you know why, `gpuyard audit verify --accept {node}`"


class Remembered(msgspec.Struct, frozen=True):
    """One record of one audit."""

    seq: int
    hash: str


class File(msgspec.Struct, frozen=True, kw_only=True):
    """anchors.json; by where the agent is."""

    version: int = 1
    audits: dict[str, Remembered] = {}


class Anchors:
    """Reads `path` when first asked; `save` writes what is new beside what other consoles wrote meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._audits: dict[str, Remembered] | None = None
        self._new: dict[str, Remembered] = {}

    def of(self, place: str) -> Remembered | None:
        if self._audits is None:
            self._audits = _read(self._path)
        return self._new.get(place) or self._audits.get(place)

    def remember(self, place: str, seq: int, digest: str) -> None:
        found = Remembered(seq, digest)
        if seq and found != self.of(place):
            self._new.pop(place, None)
            self._new[place] = found

    def save(self) -> None:
        """Raises OSError."""
        if not self._new:
            return
        audits = _read(self._path)
        for place in self._new:
            audits.pop(place, None)
        kept = dict(list((audits | self._new).items())[-KEPT:])
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_name(f".anchors.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(File(audits=kept)))
        temporary.replace(self._path)
        self._audits, self._new = kept, {}


async def look_back(
    anchors: Anchors, place: str, hello: Hello, ask: Callable[[int], Awaitable[Anchor]]
) -> Reason | None:
    """Why the audit of the agent that said `hello` is not the one that is remembered; None when it is.

    Raises RemoteError when the agent does not answer; what is remembered stays.
    """
    known = anchors.of(place)
    if known is not None:
        if hello.audit_seq < known.seq:
            return doubt(f"its audit ends at record {hello.audit_seq}, this console remembers record {known.seq}")
        now = hello.audit_hash if hello.audit_seq == known.seq else (await ask(known.seq)).hash
        if now != known.hash:
            return doubt(f"record {known.seq} of its audit is not the one that this console remembers")
    anchors.remember(place, hello.audit_seq, hello.audit_hash)
    return None


def doubt(text: str) -> Reason:
    return Reason("audit_doubt", text, HINT.format(node="NODE"))


def usual_path(environ: "os._Environ[str]" = os.environ) -> Path:
    return state_directory(environ) / "anchors.json"


def _read(path: Path) -> dict[str, Remembered]:
    """Nothing where there is no file or it cannot be read: then the next hello is believed, as the first was."""
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(path.read_bytes(), type=File).audits
    return {}
