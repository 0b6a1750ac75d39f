"""Who has which alert in hand, and what is silenced until when: of this console's user, in his state directory.

Kept where the console runs, not on nodes: consoles of other users, or on other machines, do not know of it. Consoles
and `gpuyard watch` of the same user share the file; each change is read, made and written under a lock.
"""

import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from profiles.watching.alerts import Ack, AlertKey, Silence

ACK_LASTS_S = 86_400.0
"""Nobody has an alert in hand for longer than a day without saying so again."""


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """alerts.json."""

    version: int = 1
    acks: tuple[Ack, ...] = ()
    silences: tuple[Silence, ...] = ()

    def at(self, now_unix_s: float) -> "Quiet":
        """Without what is over."""
        return replace(
            self,
            acks=tuple(one for one in self.acks if now_unix_s - one.at_unix_s < ACK_LASTS_S),
            silences=tuple(one for one in self.silences if now_unix_s < one.until_unix_s),
        )


class QuietFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Quiet:
        """Nothing where there is no file, or none that can be read: then people are called. Raises no OSError."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Quiet)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return Quiet()

    def acknowledge(self, ack: Ack) -> None:
        """Raises OSError."""
        self._change(lambda quiet: replace(quiet, acks=(*_without(quiet.acks, [(ack.rule, ack.target)]), ack)),
                     ack.at_unix_s)  # fmt: skip

    def resolved(self, keys: Iterable[AlertKey], now_unix_s: float) -> None:
        """What is over is in nobody's hand. Raises OSError."""
        gone = [tuple(key) for key in keys]
        if any((ack.rule, ack.target) in gone for ack in self.read().acks):
            self._change(lambda quiet: replace(quiet, acks=_without(quiet.acks, gone)), now_unix_s)

    def silence(self, silence: Silence, now_unix_s: float) -> None:
        """One of the same patterns is replaced, and ended by an `until_unix_s` of now. Raises OSError."""

        def put(quiet: Quiet) -> Quiet:
            others = (one for one in quiet.silences if (one.rule, one.target) != (silence.rule, silence.target))
            return replace(quiet, silences=(*others, silence))

        self._change(put, now_unix_s)

    def _change(self, change: Callable[[Quiet], Quiet], now_unix_s: float) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(change(self.read()).at(now_unix_s)))
            temporary.replace(self._path)


def _without(acks: Iterable[Ack], gone: Iterable[tuple[str, ...]]) -> tuple[Ack, ...]:
    over = set(gone)
    return tuple(ack for ack in acks if (ack.rule, ack.target) not in over)
