"""A TCP relay before a real sshd, with knobs for what networks do; one for each host that a test spoils.

console ──► Proxy ──► sshd        delay_s   each piece waits so long before it goes on
                                  stalled   nothing goes on in these directions; nobody is told
                                  trickle   one byte a piece
                                  refuse    connections are reset as soon as they come
                                  cut()     all connections are reset now
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Flag, auto

TRICKLE_PAUSE_S = 0.001


class Way(Flag):
    TO_HOST = auto()
    TO_CONSOLE = auto()
    BOTH = TO_HOST | TO_CONSOLE


class Proxy:
    """Listens on a loopback port of its own."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.stalled = Way(0)
        self.trickle = False
        self.refuse = False
        self.accepted = 0
        self._to_port = to_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def close(self) -> None:
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.refuse:
                _reset(writer)
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            self._writers |= {writer, far_writer}
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._relay(reader, far_writer, Way.TO_HOST))
                    group.create_task(self._relay(far_reader, writer, Way.TO_CONSOLE))
            finally:
                self._writers -= {writer, far_writer}
                far_writer.close()
                writer.close()
        except (asyncio.CancelledError, OSError, ExceptionGroup):
            pass  # ended from either side, or by the test
        finally:
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        while data := await reader.read(1 if self.trickle else 65536):
            while self.stalled & way:
                await asyncio.sleep(0.01)
            if pause_s := self.delay_s or (TRICKLE_PAUSE_S if self.trickle else 0.0):
                await asyncio.sleep(pause_s)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    """An RST instead of a goodbye."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def proxy(to_port: int) -> AsyncIterator[Proxy]:
    made = Proxy(to_port)
    server = await made.open()
    try:
        yield made
    finally:
        server.close()
        await made.close()
