"""HAProxy's runtime socket: a line of commands in, an answer out, the connection closed (HAProxy 2.6, section 9.3)."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 3.0
MAX_BYTES = 4 * 1024 * 1024


class Silent(Exception):
    """It is not there, does not answer in time, or with too much."""


async def ask(socket: Path, commands: Sequence[str]) -> str:
    """All answers, one after the other. Raises Silent."""
    try:
        async with asyncio.timeout(LIMIT_S):
            with _short(socket) as path:
                reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"{';'.join(commands)}\n".encode())
                return await _all(reader)
            finally:
                writer.close()
    except TimeoutError:
        raise Silent(f"no answer within {LIMIT_S:g} s") from None
    except OSError as error:
        raise Silent(error.strerror or str(error)) from None


@contextmanager
def _short(socket: Path) -> Iterator[str]:
    """A path that fits a socket's 107 bytes (unix(7)), however deep the directory is. Raises OSError."""
    directory = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{socket.name}"
    finally:
        os.close(directory)


async def _all(reader: asyncio.StreamReader) -> str:
    """Raises Silent."""
    said = bytearray()
    while piece := await reader.read(65536):
        said += piece
        if len(said) > MAX_BYTES:
            raise Silent(f"its answer is longer than {MAX_BYTES} bytes")
    return said.decode(errors="replace")
