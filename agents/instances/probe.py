"""One request to an engine on this machine, bounded in time and size."""

import asyncio
import contextlib

import h11
import msgspec

MAX_BODY_BYTES = 2 * 1024 * 1024
_HEADERS = [("Host", "127.0.0.1"), ("Accept", "*/*"), ("Connection", "close")]


class ProbeFailed(Exception):
    """No answer: refused, late, too long or not HTTP."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes


async def get(port: int, path: str, timeout_s: float, *, key: str = "") -> Answer:
    """The whole answer of 127.0.0.1:`port`, which may want a key. Raises ProbeFailed."""
    headers = [*_HEADERS, *_authorization(key)]
    return await _ask(port, h11.Request(method="GET", target=path, headers=headers), b"", timeout_s)


async def post(port: int, path: str, body: bytes, timeout_s: float, *, key: str = "") -> Answer:
    """The answer to JSON. Raises ProbeFailed."""
    headers = [
        *_HEADERS,
        *_authorization(key),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    ]
    return await _ask(port, h11.Request(method="POST", target=path, headers=headers), body, timeout_s)


def _authorization(key: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {key}")] if key else []


async def _ask(port: int, request: h11.Request, body: bytes, timeout_s: float) -> Answer:
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await _exchange(reader, writer, request, body)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise ProbeFailed(f"no answer within {timeout_s:g} s") from None
    except OSError as error:
        raise ProbeFailed(error.strerror or str(error)) from None
    except h11.RemoteProtocolError as error:
        raise ProbeFailed(f"not HTTP: {error}") from None


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, sent: bytes
) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    events = (request, h11.Data(data=sent), h11.EndOfMessage())
    writer.write(b"".join(connection.send(event) or b"" for event in events))
    status, body = 0, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise ProbeFailed(f"the answer is longer than {MAX_BODY_BYTES} bytes")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return Answer(status, bytes(body))
