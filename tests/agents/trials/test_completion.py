"""One streamed request, to a simulated engine and to servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.trials.completion import Target, Wanted, complete
from tests.engines.simulated_process import Simulated, free_port

WANTED = Wanted(prompt="one two three", answer_tokens=8, timeout_s=20)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Simulated]:
    one = Simulated(tmp_path / "log").ready()
    yield one
    one.close()


@asynccontextmanager
async def server(answer: bytes, *, hold: bool = False) -> AsyncIterator[Target]:
    """Answers every request with these bytes, and then closes, or does not."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if hold:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        yield Target(port=listening.sockets[0].getsockname()[1], model="m")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def test_a_stream_is_timed_and_its_tokens_counted(engine: Simulated) -> None:
    timing = await complete(Target(port=engine.port, model="m"), WANTED)
    assert timing.error == ""
    assert timing.tokens == 8
    assert timing.ttft_s is not None
    assert 0 < timing.ttft_s <= timing.e2e_s
    assert timing.itl_s is not None


async def test_a_refusal_says_what_the_engine_said(engine: Simulated) -> None:
    timing = await complete(Target(port=engine.port, model="other"), WANTED)
    assert timing.error == "HTTP 404: The model `other` does not exist."
    assert timing.ttft_s is None


async def test_nobody_listens() -> None:
    assert "refused" in (await complete(Target(port=free_port(), model="m"), WANTED)).error.lower()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "the stream broke off"),
        (b"SSH-2.0-OpenSSH\r\n", "the stream broke off"),
        (HEAD + b"data: {broken\n\n", "the stream broke off"),
        (HEAD + b"data: [DONE]\n\n", "an answer without a token"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate", "HTTP 503: late"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
    ],
)
async def test_what_is_no_stream_is_said(answer: bytes, error: str) -> None:
    async with server(answer) as target:
        assert (await complete(target, WANTED)).error == error


async def test_a_stream_without_an_end_is_cut_off() -> None:
    async with server(HEAD + b'data: {"choices": [{"text": "a"}]}\n\n', hold=True) as target:
        timing = await complete(target, Wanted(prompt="x", answer_tokens=8, timeout_s=0.3))
    assert timing.error == "no end within 0.3 s"
    assert timing.tokens == 1


async def test_pieces_are_counted_where_the_engine_does_not_say() -> None:
    events = b'data: {"choices": [{"text": "a"}]}\n\ndata: {"choices": [{"text": "b"}]}\n\ndata: [DONE]\n\n'
    async with server(HEAD + events) as target:
        assert (await complete(target, WANTED)).tokens == 2
