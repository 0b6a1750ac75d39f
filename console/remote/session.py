"""The protocol on one stream: greeting, telemetry in, requests with their answers, pings.

greet(stream, Hello) ──► Session ──run──► receive(Snapshot | Delta | Happened) … until the stream ends
                                 └─request(body) ──► answer
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from agents.framing import BadFrame, FramingError, NotAnAgent, OtherProtocol, Splitter, encode, preamble
from agents.wire import (
    AnswerT,
    AnyAnswer,
    AnyAsk,
    AnyFrame,
    Delta,
    Failure,
    Happened,
    Hello,
    Ping,
    Pong,
    Reply,
    Request,
    Snapshot,
    common_protocol,
    decode,
    no_common_protocol,
)
from console.remote.clean import clean_json
from console.remote.errors import LinkRefused, Lost, RemoteError, RequestFailed
from console.remote.stream import Ending, Stream
from profiles.observed.status import Reason
from profiles.text.clean import clean

GREETING_DEADLINE_S = 15.0
PING_EVERY_S = 5.0
PINGS_MISSED_AT_MOST = 3
ANSWER_GRACE_S = 1.0
"""A node keeps the deadline of a request itself; this long its refusal may take to arrive."""

Receive = Callable[[Snapshot | Delta | Happened], None]

_INSTALL = "`gpuyard node install` puts one there; else give its path as `agent` in the inventory"
_FINAL = {
    "denied": "ask an admin of that host for a role",
    "version": "upgrade the older side",
}


async def greet(stream: Stream, greeting: Hello) -> "Session":
    """Say hello on a fresh stream. Raises Lost or LinkRefused; the stream is the caller's to close."""
    splitter = Splitter()
    try:
        async with asyncio.timeout(GREETING_DEADLINE_S):
            while splitter.nonce is None:
                payloads = await _feed(stream, splitter)
            await stream.write(preamble(splitter.nonce) + encode(greeting))
            while not payloads:
                payloads = await _feed(stream, splitter)
    except TimeoutError:
        text = f"no greeting within {GREETING_DEADLINE_S:.0f} s"
        hint = "the agent there may be stopped, or the host overloaded; it is tried again"
        raise Lost(Reason("timeout", text, hint)) from None
    except FramingError as error:
        raise await _explain(error, stream) from None
    except OSError as error:
        raise Lost(Reason("lost", f"the link broke: {error}")) from None
    try:
        first = _read(payloads[0])
    except BadFrame as error:
        raise LinkRefused(_bad_frame(error)) from None
    hello, protocol = _check(first, greeting)
    return Session(stream, splitter, hello, protocol, payloads[1:])


class Session:
    """A greeted stream. `hello` is the agent's; `round_trip_s` is of the last ping, None before the first."""

    def __init__(self, stream: Stream, splitter: Splitter, hello: Hello, protocol: int, payloads: list[bytes]) -> None:
        self.hello = hello
        self.protocol = protocol
        self.round_trip_s: float | None = None
        self._stream = stream
        self._splitter = splitter
        self._early = payloads
        self._waiting: dict[int, asyncio.Future[AnyAnswer]] = {}
        self._ids = 0
        self._ping = 0
        self._ponged = 0
        self._ping_at = 0.0
        self._over: Reason | None = None

    async def run(self, receive: Receive) -> None:
        """Take in frames until the stream ends or the peer is silent; always raises, Lost or LinkRefused.

        Requests in flight fail.
        """
        parts = [asyncio.create_task(self._take_in(receive)), asyncio.create_task(self._keep_pinging())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        except RemoteError as error:
            self._over = error.reason
            raise
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._over = self._over or Reason("lost", "the link was closed")
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(Lost(self._over))
            self._stream.close()

    async def request(self, ask: AnyAsk, answer: type[AnswerT], deadline_s: float) -> AnswerT:
        """The node's answer. Raises RequestFailed (with no node named), or Lost when the link ends first."""
        if self._over:
            raise Lost(self._over)
        self._ids += 1
        number = self._ids
        coming = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(deadline_s + ANSWER_GRACE_S):
                await self._send(Request(id=number, body=ask, deadline_s=deadline_s))
                found: AnyAnswer = await coming
        except TimeoutError:
            hint = "it may still be carried out; look at the node before asking again"
            raise RequestFailed(Reason("timeout", f"no answer within {deadline_s:g} s", hint), "") from None
        finally:
            del self._waiting[number]
            coming.cancel()
        if not isinstance(found, answer):
            raise RequestFailed(Reason("internal", "the node answered something else", "upgrade the older side"), "")
        return found

    async def _take_in(self, receive: Receive) -> None:
        payloads, self._early = self._early, []
        while True:
            try:
                for payload in payloads:
                    await self._dispatch(_read(payload), receive)
                payloads = self._splitter.feed(await self._read_some())
            except FramingError as error:
                raise LinkRefused(_bad_frame(error)) from None

    async def _read_some(self) -> bytes:
        try:
            data = await self._stream.read()
        except OSError as error:
            raise Lost(Reason("lost", f"the link broke: {error}")) from None
        if not data:
            raise await _closed(self._stream)
        return data

    async def _dispatch(self, frame: AnyFrame, receive: Receive) -> None:
        match frame:
            case Snapshot() | Delta() | Happened():
                receive(frame)
            case Reply():
                self._answer(frame.id, frame.body)
            case Failure(id=None):
                raise _failed(frame)
            case Failure(id=int(number)):
                why = Reason(frame.code, frame.message, frame.hint)
                self._answer(number, RequestFailed(why, "", frame.retry_after_s))
            case Ping():
                await self._send(Pong(number=frame.number))
            case Pong(number=self._ping):
                self._ponged = frame.number
                self.round_trip_s = time.monotonic() - self._ping_at
            case _:
                pass

    def _answer(self, number: int, answer: AnyAnswer | RequestFailed) -> None:
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, RequestFailed):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    async def _keep_pinging(self) -> None:
        """Until a peer answers nothing any more, though what carries the stream still does. Raises Lost."""
        while self._ping - self._ponged < PINGS_MISSED_AT_MOST:
            self._ping += 1
            self._ping_at = time.monotonic()
            await self._send(Ping(number=self._ping))
            await asyncio.sleep(PING_EVERY_S)
        text = f"the host is there, but its agent has not answered for {PINGS_MISSED_AT_MOST * PING_EVERY_S:.0f} s"
        raise Lost(Reason("silent", text, "see `ps` and the load there: it may be stopped, or the host be overloaded"))

    async def _send(self, frame: AnyFrame) -> None:
        try:
            await self._stream.write(encode(frame))
        except OSError as error:
            raise Lost(Reason("lost", f"the link broke: {error}")) from None


async def _feed(stream: Stream, splitter: Splitter) -> list[bytes]:
    """Raises Lost once an agent that was there has gone, FramingError where there was none."""
    data = await stream.read()
    if not data and splitter.nonce is not None:
        raise await _closed(stream)
    if not data:
        splitter.close()
    return splitter.feed(data)


async def _closed(stream: Stream) -> Lost:
    """An agent ended, and may be back at the next attempt."""
    said = _last_line(await stream.ending())
    return Lost(Reason("lost", f"the agent closed the link: {said}" if said else "the agent closed the link"))


def _read(payload: bytes) -> AnyFrame:
    try:
        return decode(clean_json(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"not a frame of this protocol: {error}") from None


def _check(frame: AnyFrame, own: Hello) -> tuple[Hello, int]:
    """The agent's Hello and the protocol to speak with it, if there is one."""
    if isinstance(frame, Failure):
        raise _failed(frame)
    if not isinstance(frame, Hello):
        raise LinkRefused(Reason("protocol", f"the agent began with {type(frame).__name__}", _FINAL["version"]))
    if (protocol := common_protocol(own, frame)) is None:
        raise LinkRefused(Reason("protocol", *no_common_protocol(agent=frame, console=own)))
    return frame, protocol


def _failed(failure: Failure) -> RemoteError:
    hint = failure.hint or _FINAL.get(failure.code, "")
    reason = Reason(failure.code, failure.message, hint)
    return LinkRefused(reason) if failure.code in _FINAL else Lost(reason)


def _bad_frame(error: FramingError) -> Reason:
    return Reason("protocol", clean(error.message), error.hint or _FINAL["version"])


async def _explain(error: FramingError, stream: Stream) -> RemoteError:
    """Why no agent answered, from what came and how the far side ended."""
    if isinstance(error, OtherProtocol):
        return LinkRefused(Reason("protocol", error.message, error.hint))
    if not isinstance(error, NotAnAgent):
        return LinkRefused(_bad_frame(error))
    ending = await stream.ending()
    said = _last_line(ending)
    if ending.exit_status in (126, 127):
        return LinkRefused(Reason("no_agent", f"there is no gpuyard-agent on the host: {said}".rstrip(": "), _INSTALL))
    if ending.exit_status is None and not said and not error.sample:
        return Lost(Reason("lost", "the link ended before the agent answered"))
    text = f"the agent did not start: {said}" if said else clean(error.message)
    return LinkRefused(Reason("no_agent", text, _INSTALL if not said else ""))


def _last_line(ending: Ending) -> str:
    lines = [line.strip() for line in clean(ending.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else ""
