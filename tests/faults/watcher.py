"""A console without a screen: it keeps what the agent says, checks the numbers of the events, and edits.

It is the console's own session on the agent's socket, connected again whenever it breaks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from agents.wire import AnswerT, AnyAsk, Delta, DesiredSet, Happened, Hello, SetDesired, Snapshot
from console.remote.errors import RemoteError, RequestFailed
from console.remote.session import Session, greet
from console.remote.stream import Ending
from profiles.desired.model import Desired, DesiredInstance
from profiles.observed.status import Event, InstanceStatus, Phase, Reason
from tests.faults.node import FaultNode

LIMIT_S = 30.0
AGAIN_S = 0.02
Edit = Callable[[dict[str, DesiredInstance]], Mapping[str, DesiredInstance]]


class SocketStream:
    """The agent's socket as the console's session wants it."""

    way = "socket"

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(65536)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ending(self) -> Ending:
        return Ending()

    def close(self) -> None:
        self._writer.close()


class Watcher:
    """`wrong` lists every gap and every number that came twice; `since_s` is when frames came again."""

    def __init__(self, socket: Path) -> None:
        self.events: list[Event] = []
        self.wrong: list[str] = []
        self.instances: dict[str, InstanceStatus] = {}
        self.desired = Desired()
        self.troubles: tuple[Reason, ...] = ()
        self.since_s: float | None = None
        self.last_s = 0.0
        self.longest_gap_s = 0.0
        self.hello = Hello()
        self._socket = socket
        self._session: Session | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(OSError, RemoteError):
                await self._live()
            self._session = self.since_s = None
            await asyncio.sleep(AGAIN_S)

    async def request(self, ask: AnyAsk, answer: type[AnswerT], deadline_s: float = 10.0) -> AnswerT:
        """Raises RemoteError."""
        await self.until(lambda: self._session, "there is a session")
        assert self._session is not None
        return await self._session.request(ask, answer, deadline_s)

    async def edit(self, change: Edit, reason: str = "test") -> DesiredSet:
        """Set what `change` makes of the instances; again while another edit came first. Raises RemoteError."""
        while True:
            await self.until(lambda: self.since_s, "the agent streams")
            before = self.desired
            instances = dict(change(dict(before.instances)))
            ask = SetDesired(expected_generation=before.generation, instances=instances, author="t", reason=reason)
            try:
                return await self.request(ask, DesiredSet)
            except RequestFailed as failed:
                if failed.retry_after_s is not None:
                    await asyncio.sleep(failed.retry_after_s)
                    continue
                if failed.reason.code != "stale":
                    raise
            await self.until(lambda was=before: self.desired.generation != was.generation, "the new document came")

    async def until(self, condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            told = [f"{event.seq} {event.instance} {event.text}" for event in self.events[-12:]]
            raise AssertionError(f"waited {limit_s:g} s in vain: {what}; {self.instances}; {told}") from None

    async def restarted(self, node: FaultNode) -> None:
        """Start the agent of `node` and wait until what is shown is the new one's."""
        before_s = time.monotonic()
        node.start()
        await self.until(lambda: self.since_s and self.since_s > before_s, "the next agent streams")

    async def until_phase(self, name: str, *phases: Phase) -> InstanceStatus:
        await self.until(
            lambda: (one := self.instances.get(name)) and one.phase in (phases or (Phase.READY,)),
            f"{name} is {phases or 'ready'}",
        )
        return self.instances[name]

    async def _live(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        try:
            seen = self.events[-1].seq if self.events else 0
            session = await greet(SocketStream(reader, writer), Hello(author="t", last_event_seq=seen))
            self.hello, self._session = session.hello, session
            await session.run(self._receive)
        finally:
            writer.close()

    def _receive(self, frame: Snapshot | Delta | Happened) -> None:
        now_s = time.monotonic()
        if self.last_s:
            self.longest_gap_s = max(self.longest_gap_s, now_s - self.last_s)
        self.last_s = now_s
        match frame:
            case Snapshot():
                self.since_s = now_s
                self.desired, self.troubles = frame.desired, frame.status.troubles
                self.instances = {one.name: one for one in frame.status.instances}
            case Delta():
                self._take_delta(frame)
            case Happened():
                for event in frame.events:
                    last = self.events[-1].seq if self.events else 0
                    if event.seq != last + 1:
                        self.wrong.append(f"event {event.seq} came after {last}")
                    self.events.append(event)

    def _take_delta(self, delta: Delta) -> None:
        self.desired = delta.desired or self.desired
        self.troubles = self.troubles if delta.troubles is None else delta.troubles
        for name in delta.instances_gone:
            self.instances.pop(name, None)
        self.instances |= {one.name: one for one in delta.instances}


@asynccontextmanager
async def watching(socket: Path) -> AsyncIterator[Watcher]:
    watcher = Watcher(socket)
    task = asyncio.create_task(watcher.run())
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
