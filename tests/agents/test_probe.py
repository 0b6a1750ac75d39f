import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from agents.instances import probe

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: bytes, then_hang: bool = False) -> AsyncIterator[int]:
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if then_hang:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        over.set()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\n\r\nok",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
)  # fmt: skip
async def test_a_body_however_framed(answer: bytes) -> None:
    async with serving(answer) as port:
        assert await probe.get(port, "/health", 5.0) == probe.Answer(200, b"ok")


async def test_a_status_is_an_answer() -> None:
    async with serving(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") as port:
        assert (await probe.get(port, "/health", 5.0)).status == 503


@pytest.mark.parametrize(
    ("answer", "hang", "said"),
    [(b"", True, "no answer within"), (b"SSH-2.0-x\r\n\r\n", False, "not HTTP"), (b"", False, "not HTTP"),
     (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", False, "not HTTP"),
     (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (probe.MAX_BODY_BYTES + 1), False, "longer than")],
)  # fmt: skip
async def test_what_is_no_answer(answer: bytes, hang: bool, said: str) -> None:
    async with serving(answer, hang) as port:
        with pytest.raises(probe.ProbeFailed, match=said):
            await probe.get(port, "/", 0.5)


async def test_nobody_there() -> None:
    async with serving(b"") as port:
        pass
    with pytest.raises(probe.ProbeFailed):
        await probe.get(port, "/", 1.0)


async def test_a_post_carries_its_body() -> None:
    seen = b""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen = await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await probe.post(port, "/v1/completions", b'{"a":1}', 5.0)).status == 201
    assert seen.startswith(b"POST /v1/completions HTTP/1.1\r\n")
    assert b"Content-Length: 7\r\n" in seen
    assert seen.endswith(b'\r\n\r\n{"a":1}')
