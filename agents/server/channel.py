"""Frames over one connection of the daemon, one at a time.

Nothing is queued: whoever has something to say waits for the socket, then says what is newest.
"""

import asyncio
import contextlib

from agents import framing, wire
from agents.framing import FramingError, Splitter, TooLong
from agents.limits import Limits, check_shape

DRAIN_DEADLINE_S = 10.0
READ_BYTES = 64 * 1024


class Closed(Exception):
    """The connection is over. The failure, if there is one, is the last thing to say."""

    def __init__(self, failure: wire.Failure | None = None) -> None:
        super().__init__(failure)
        self.failure = failure


def over(code: str, message: str, hint: str = "") -> Closed:
    return Closed(wire.Failure(code=code, message=message, hint=hint))


class Channel:
    """Hold `turn` around `write` to choose what to say only once the socket has taken all before it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self.turn = asyncio.Lock()
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._splitter = Splitter(first_frame_bytes=limits.hello_bytes, max_frame_bytes=limits.request_bytes)
        # With a mark of zero, drain() returns only once the kernel has taken everything.
        writer.transport.set_write_buffer_limits(high=0)

    @property
    def nonce(self) -> str | None:
        """What the peer's preamble carried, None until it came."""
        return self._splitter.nonce

    def write_preamble(self, nonce: str) -> None:
        self._writer.write(framing.preamble(nonce))

    async def read_line(self) -> bytes:
        """A line, for what comes before the frames. Raises Closed, OSError."""
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise Closed from None
        except asyncio.LimitOverrunError:
            raise over("invalid", "the first line is too long") from None

    async def read(self) -> list[wire.AnyFrame]:
        """The frames that came, maybe none yet. Raises Closed, OSError."""
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise Closed
        return self.decode(data)

    def decode(self, data: bytes) -> list[wire.AnyFrame]:
        """Raises Closed for bytes that are no frames."""
        try:
            return [self._frame(payload) for payload in self._splitter.feed(data)]
        except FramingError as error:
            code = "version" if isinstance(error, framing.OtherProtocol) else "invalid"
            raise over(code, error.message, error.hint) from None

    def _frame(self, payload: bytes) -> wire.AnyFrame:
        check_shape(payload, self._limits)
        return framing.decode(payload)

    async def send(self, frame: wire.AnyFrame) -> None:
        """Raises Closed, OSError."""
        async with self.turn:
            await self.write(frame)

    async def write(self, frame: wire.AnyFrame) -> None:
        """Within `turn`. Raises Closed when the peer takes nothing for too long, OSError."""
        try:
            data = framing.encode(frame)
        except TooLong as error:
            if not isinstance(frame, wire.Reply):
                raise over("internal", error.message) from None
            data = framing.encode(wire.Failure(id=frame.id, code="internal", message=error.message))
        self._writer.write(data)
        try:
            async with asyncio.timeout(DRAIN_DEADLINE_S):
                await self._writer.drain()
        except TimeoutError:
            raise Closed from None

    async def say_last(self, failure: wire.Failure) -> None:
        """Tell the peer why this ends, if it still listens."""
        with contextlib.suppress(Closed, OSError):
            await self.send(failure)
