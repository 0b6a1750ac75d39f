"""HTTP/1.1 on asyncio streams with h11: one connection, one exchange at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import h11

READ_BYTES = 65_536
BODY_LIMIT_BYTES = 8 * 1024 * 1024


class Closed(Exception):
    """The client went away, or said something that is not HTTP."""


class Exchange:
    """One request and the way to answer it: either `reply`, or `begin`, `send` … `end` for a stream."""

    def __init__(self, connection: h11.Connection, writer: asyncio.StreamWriter, request: h11.Request) -> None:
        self._connection = connection
        self._writer = writer
        self.method = request.method.decode("ascii")
        self.path = request.target.decode("ascii").partition("?")[0]
        self.body = b""

    async def reply(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        await self.begin(status, content_type, length=len(body))
        if body:
            await self.send(body)
        await self.end()

    async def begin(self, status: int, content_type: str, length: int | None = None) -> None:
        size = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
        await self._emit(h11.Response(status_code=status, headers=[("Content-Type", content_type), size]))

    async def send(self, data: bytes) -> None:
        await self._emit(h11.Data(data=data))

    async def end(self) -> None:
        await self._emit(h11.EndOfMessage())

    async def _emit(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._connection.send(event) or b"")
        await self._writer.drain()


Handler = Callable[[Exchange], Awaitable[None]]


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """Answer requests until either side closes. A handler whose client goes away is cancelled."""
    connection = h11.Connection(h11.SERVER)
    try:
        while True:
            exchange = await _receive(connection, reader, writer)
            await _handle(connection, reader, handler(exchange))
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()
    except (Closed, ConnectionError, h11.ProtocolError):
        return
    finally:
        writer.close()


async def _receive(connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    exchange: Exchange | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Request):
            exchange = Exchange(connection, writer, event)
        elif isinstance(event, h11.Data) and exchange and len(exchange.body) < BODY_LIMIT_BYTES:
            exchange.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and exchange:
            return exchange
        else:
            raise Closed


async def _handle(connection: h11.Connection, reader: asyncio.StreamReader, answer: Awaitable[None]) -> None:
    answering = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(_wait_closed(connection, reader))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise Closed
        answering.result()
    finally:
        answering.cancel()
        leaving.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _wait_closed(connection: h11.Connection, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(READ_BYTES):
        connection.receive_data(data)  # the client's next request, sent early
