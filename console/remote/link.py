"""One node: connect, greet, stream into the store, and again when it breaks.

Reconnects at once, then with full jitter up to 30 s; after a minute of health it begins anew. A refusal (key,
login, protocol, role) is final until a person asks to try again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from agents.wire import Anchor, AnswerT, AnyAsk, Change, Delta, Happened, Hello, ReadAnchor, Snapshot
from console.remote.errors import HostKeyUnknown, LinkRefused, Lost, NodeUnreachable, RemoteError, RequestFailed
from console.remote.hostkeys import UnknownKey
from console.remote.session import Session, greet
from console.remote.stream import Connection, Dial
from console.store import NodeState, Store
from profiles.observed.status import Reason

DELAY_FIRST_S = 0.5
DELAY_AT_MOST_S = 30.0
HEALTHY_AFTER_S = 60.0
PAST_DEADLINE_S = 10.0

LookBack = Callable[[Hello, Callable[[int], Awaitable[Anchor]]], Awaitable[Reason | None]]
"""Compares what an agent says of its audit with what is remembered; see console.anchors."""


class Link:
    """`hello` is what the console says of itself; a link without telemetry answers requests only."""

    def __init__(self, node: str, store: Store, dial: Dial, hello: Hello, look_back: LookBack | None = None) -> None:
        self.unknown_key: UnknownKey | None = None
        """What the host showed, while nobody has vouched for it."""
        self._node = node
        self._store = store
        self._view = store.nodes[node]
        self._dial = dial
        self._hello = hello
        self._look_back = look_back
        self._socket = ""
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._bulk: Session | None = None
        self._bulk_opening = asyncio.Lock()
        self._bulk_run: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._life: asyncio.Timeout | None = None
        self._up = asyncio.Event()
        """Set while there is a session."""

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            began = time.monotonic()
            self._wake.clear()
            try:
                await self._live()
            except LinkRefused as refusal:
                self.unknown_key = refusal.key if isinstance(refusal, HostKeyUnknown) else None
                self._store.link(self._node, NodeState.REFUSED, refusal.reason)
                await self._wake.wait()
                failures = 0
                self._store.link(self._node, NodeState.CONNECTING)
                continue
            except Lost as lost:
                self._store.link(self._node, NodeState.UNREACHABLE, lost.reason)
            failures = 1 if time.monotonic() - began >= HEALTHY_AFTER_S else failures + 1
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s(failures)):
                    await self._wake.wait()

    def retry(self) -> None:
        """Do not wait any longer; a link that is up stays as it is."""
        self._wake.set()

    def renew(self) -> None:
        """This machine slept: whatever link there is, is made anew."""
        if self._life is not None and not self._life.expired():
            self._life.reschedule(asyncio.get_running_loop().time())
        self._wake.set()

    async def request(self, ask: AnyAsk, answer: type[AnswerT], deadline_s: float, bulk: bool) -> AnswerT:
        """Raises RequestFailed, or its child NodeUnreachable.

        A busy node is asked again when it says. Where the link breaks before the answer, a change that carries a
        key is sent once more over the next one: the node does it once, whichever request reached it.
        """
        give_up = time.monotonic() + deadline_s
        again = isinstance(ask, Change) and bool(ask.key) and self._session is not None
        while True:
            try:
                return await self._ask(ask, answer, deadline_s, bulk)
            except NodeUnreachable:
                if not again or not await self._back_before(give_up):
                    raise
                again = False
            except RequestFailed as failed:
                wait_s = failed.retry_after_s
                if wait_s is None or time.monotonic() + wait_s > give_up:
                    raise
                await asyncio.sleep(wait_s)

    async def _ask(self, ask: AnyAsk, answer: type[AnswerT], deadline_s: float, bulk: bool) -> AnswerT:
        if self._session is None:
            why = self._view.why or Reason("unreachable", "there is no link yet", "wait until it is connected")
            raise NodeUnreachable(why, self._node)
        try:
            session = await self._bulk_session() if bulk else self._session
            return await session.request(ask, answer, deadline_s)
        except RequestFailed as failed:
            raise RequestFailed(failed.reason, self._node, failed.retry_after_s) from None
        except RemoteError as error:
            raise NodeUnreachable(error.reason, self._node) from None

    async def _back_before(self, give_up: float) -> bool:
        """Whether there is a link again before that moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(give_up - time.monotonic()):
                await self._up.wait()
        return self._up.is_set()

    async def _live(self) -> None:
        """One life of the link; ends by Lost or LinkRefused."""
        try:
            async with asyncio.timeout(None) as self._life:
                await self._connect_and_stream()
        except TimeoutError:
            raise Lost(Reason("slept", "this machine slept", "the link is being made anew")) from None
        finally:
            self._life = None

    async def _connect_and_stream(self) -> None:
        self._connection = await self._dial(self._socket)
        try:
            session = await self._greet(self._connection, self._hello)
            self.unknown_key = None
            self._socket = session.hello.socket
            self._view.role = session.hello.role
            self._session = session
            self._up.set()
            if not self._hello.telemetry:
                self._store.link(self._node, NodeState.UP)
            past = asyncio.create_task(self._compare_past(session))
            try:
                await session.run(self._receive)
            finally:
                past.cancel()
        finally:
            self._session = None
            self._up.clear()
            if self._bulk_run:
                self._bulk_run.cancel()
            await self._connection.close()

    async def _compare_past(self, session: Session) -> None:
        """An agent that does not answer is believed until it does."""

        async def ask(seq: int) -> Anchor:
            return await session.request(ReadAnchor(seq=seq), Anchor, PAST_DEADLINE_S)

        if self._look_back is not None:
            with suppress(RemoteError):
                self._view.doubt = await self._look_back(session.hello, ask)

    async def _greet(self, connection: Connection, hello: Hello) -> Session:
        stream = await connection.open()
        self._view.way = stream.way
        seen = self._view.events[-1].seq if self._view.events else None
        return await greet(
            stream,
            Hello(version=hello.version, author=hello.author, telemetry=hello.telemetry, last_event_seq=seen),
        )

    def _receive(self, frame: Snapshot | Delta | Happened) -> None:
        if self._session is not None:
            self._view.round_trip_s = self._session.round_trip_s
        self._store.receive(self._node, frame)

    async def _bulk_session(self) -> Session:
        """A second stream on the same connection, for logs; opened when first wanted."""
        async with self._bulk_opening:
            if self._bulk_run is None or self._bulk_run.done() or self._bulk is None:
                if self._connection is None:
                    raise Lost(Reason("unreachable", "there is no link"))
                quiet = Hello(version=self._hello.version, author=self._hello.author, telemetry=False)
                try:
                    self._bulk = await self._greet(self._connection, quiet)
                except LinkRefused:
                    if self._session is None:
                        raise
                    return self._session  # `MaxSessions 1`: one bridge carries everything
                self._bulk_run = asyncio.create_task(_run_quietly(self._bulk))
            return self._bulk


def delay_s(failures: int) -> float:
    """How long to wait after so many failures in a row: not at all after the first, then full jitter."""
    if failures <= 1:
        return 0.0
    return random.uniform(0.0, min(DELAY_AT_MOST_S, DELAY_FIRST_S * 2.0 ** min(failures - 1, 10)))


async def _run_quietly(session: Session) -> None:
    """The end of a bulk stream is told to those who wait for its answers, and to nobody else."""
    with suppress(RemoteError):
        await session.run(lambda frame: None)
