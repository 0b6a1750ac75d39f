"""What changes were answered, so that one which is sent again is not carried out again.

    (person, key) ─► running ─► the same answer for everybody who asks meanwhile
                └──► answered ─► answers.jsonl, durable before the reply ─► the same answer for a day

Refusals are not kept: they changed nothing, so asking again is harmless.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from agents.errors import Refused
from agents.events import append_whole
from agents.state import write_atomic
from agents.wire import AnyAnswer, Ask, Change

KEPT = 10_000
KEPT_S = 86_400.0

_KEY = re.compile(r"[0-9A-Za-z_-]{1,64}")

logger = logging.getLogger(__name__)


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file."""

    person: str
    key: str
    digest: str
    at_unix_s: float
    answer: AnyAnswer


class Running(msgspec.Struct, frozen=True):
    digest: str
    task: "asyncio.Task[AnyAnswer]"


class Answers:
    """Opens `path`; lines that cannot be read are left out. Raises OSError."""

    def __init__(self, path: Path, *, kept: int = KEPT, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._kept = kept
        self._wall = wall
        self._running: dict[tuple[str, str], Running] = {}
        self._answered = self._read()
        self._lines = len(self._answered)

    async def once(self, person: str, ask: Change, act: Callable[[], Awaitable[AnyAnswer]]) -> AnyAnswer:
        """What `act` answers, now or when `ask` first came. Raises Refused, OSError.

        It runs to its end whoever stops waiting for it: a console that is cut off leaves nothing half done.
        """
        if ask.key and not _KEY.fullmatch(ask.key):
            raise Refused("invalid", "a key is 1 to 64 letters and digits", "connect with gpuyard")
        name, digest = (person, ask.key), digest_of(ask)
        if ask.key and (kept := self._answered.get(name)) and self._wall() - kept.at_unix_s < KEPT_S:
            _check_same(kept.digest, digest)
            return kept.answer
        if ask.key and (running := self._running.get(name)):
            _check_same(running.digest, digest)
            return await asyncio.shield(running.task)
        task = asyncio.ensure_future(self._carry_out(name, digest, act))
        if ask.key:
            self._running[name] = Running(digest, task)
        task.add_done_callback(_look_at_error)
        return await asyncio.shield(task)

    async def _carry_out(
        self, name: tuple[str, str], digest: str, act: Callable[[], Awaitable[AnyAnswer]]
    ) -> AnyAnswer:
        person, key = name
        try:
            answer = await act()
            if key:
                self._keep(Answered(person=person, key=key, digest=digest, at_unix_s=self._wall(), answer=answer))
            return answer
        finally:
            self._running.pop(name, None)

    def _keep(self, answered: Answered) -> None:
        """In memory whatever the disk says: the change is done."""
        self._answered[answered.person, answered.key] = answered
        while len(self._answered) > self._kept:
            del self._answered[next(iter(self._answered))]
        try:
            if self._lines >= 2 * self._kept:
                write_atomic(self._path, b"".join(map(_line, self._answered.values())))
                self._lines = len(self._answered)
            else:
                append_whole(self._path, _line(answered))
                self._lines += 1
        except OSError as error:
            logger.error("an answer could not be kept: %s", error)

    def _read(self) -> dict[tuple[str, str], Answered]:
        found: dict[tuple[str, str], Answered] = {}
        with contextlib.suppress(FileNotFoundError):
            content = self._path.read_bytes()
            if not content.endswith(b"\n"):  # torn by a crash, before anybody was answered
                content = content[: content.rfind(b"\n") + 1]
                write_atomic(self._path, content)
            for line in content.splitlines():
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                    one = msgspec.json.decode(line, type=Answered)
                    if self._wall() - one.at_unix_s < KEPT_S:
                        found[one.person, one.key] = one
        return dict(list(found.items())[-self._kept :])


def digest_of(ask: Ask) -> str:
    """Equal for equal requests."""
    return hashlib.sha256(msgspec.json.encode(ask, order="deterministic")).hexdigest()


def _check_same(before: str, now: str) -> None:
    if before != now:
        raise Refused("invalid", "this key was used for another request", "give each intent a key of its own")


def _line(answered: Answered) -> bytes:
    return msgspec.json.encode(answered) + b"\n"


def _look_at_error(task: "asyncio.Task[AnyAnswer]") -> None:
    """Everybody who waited may be gone: an error nobody hears is no complaint of the loop's."""
    if not task.cancelled():
        task.exception()
