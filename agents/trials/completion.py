"""One streamed completion over OpenAI's route, timed by this side's clock."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import h11
import msgspec

from profiles.latency.trial import Timing

PATH = "/v1/completions"
MAX_EVENT_BYTES = 1024 * 1024
MAX_ERROR_CHARS = 120
_DATA, _DONE = b"data:", b"[DONE]"


class Refused(Exception):
    """The engine answered, and not with a stream."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An engine on this machine. `headers` may hold its key and are never shown."""

    port: int
    model: str
    headers: dict[str, str] = {}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    prompt: str
    answer_tokens: int
    timeout_s: float = 300.0


async def complete(target: Target, wanted: Wanted) -> Timing:
    """Never raises for the engine's sake: what went wrong is in `error`, in few words, so that it can be counted."""
    began_s = time.monotonic()
    first_s: float | None = None
    pieces = tokens = 0
    error = ""
    try:
        async with asyncio.timeout(wanted.timeout_s):
            async for event in _events(target, _body(target, wanted)):
                if _has_text(event):
                    first_s = first_s or time.monotonic()
                    pieces += 1
                tokens = _tokens(event) or tokens
    except TimeoutError:
        error = f"no end within {wanted.timeout_s:g} s"
    except OSError as failed:
        error = os.strerror(failed.errno) if failed.errno else "the connection broke"
    except (h11.RemoteProtocolError, msgspec.DecodeError):
        error = "the stream broke off"
    except Refused as refused:
        error = str(refused)[:MAX_ERROR_CHARS]
    if not error and first_s is None:
        error = "an answer without a token"
    return Timing(
        e2e_s=time.monotonic() - began_s,
        ttft_s=None if first_s is None else first_s - began_s,
        tokens=tokens or pieces,
        error=error,
    )


def _body(target: Target, wanted: Wanted) -> bytes:
    """`ignore_eos` keeps answers alike long where the engine knows it; others pass it over."""
    return msgspec.json.encode(
        {
            "model": target.model, "prompt": wanted.prompt, "max_tokens": wanted.answer_tokens, "temperature": 0,
            "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True},
        }
    )  # fmt: skip


async def _events(target: Target, body: bytes) -> AsyncIterator[Mapping[str, Any]]:
    """The events of the answer's stream. Raises Refused, OSError, h11.RemoteProtocolError, DecodeError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    try:
        async with contextlib.aclosing(_data(reader, writer, target, body)) as pieces:
            rest = b""
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > MAX_EVENT_BYTES:
                    raise Refused("an event without an end")
                for line in lines:
                    text = line[len(_DATA) :].strip() if line.startswith(_DATA) else b""
                    if text and text != _DONE:
                        yield msgspec.json.decode(text, type=dict[str, Any])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _data(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target, body: bytes
) -> AsyncGenerator[bytes, None]:
    connection = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", "127.0.0.1"), ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
        ("Connection", "close"), *target.headers.items(),
    ]  # fmt: skip
    asked = (h11.Request(method="POST", target=PATH, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    writer.write(b"".join(connection.send(event) or b"" for event in asked))
    refused: int | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            refused = None if event.status_code == 200 else event.status_code
        elif isinstance(event, h11.Data) and refused is None:
            yield bytes(event.data)
        elif isinstance(event, h11.Data):
            raise Refused(f"HTTP {refused}: {_said(bytes(event.data))}")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            if refused is not None:
                raise Refused(f"HTTP {refused}")
            return


def _said(body: bytes) -> str:
    """The sentence of an error as OpenAI's routes write it, else the beginning of what came."""
    with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
        found = msgspec.json.decode(body)
        return str(found.get("message") or found["error"]["message"])
    return body[:MAX_ERROR_CHARS].decode("utf-8", "replace").strip()


def _has_text(event: Mapping[str, Any]) -> bool:
    return any(one.get("text") for one in event.get("choices") or ())


def _tokens(event: Mapping[str, Any]) -> int:
    return int((event.get("usage") or {}).get("completion_tokens") or 0)
