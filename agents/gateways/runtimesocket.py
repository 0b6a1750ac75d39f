"""HAProxy's runtime socket: a line of commands in, an answer out, the connection closed (HAProxy 2.6, section 9.3)."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

LIMIT_S = 3.0
MAX_BYTES = 4 * 1024 * 1024


class Silent(Exception):
    """It is not there, does not answer in time, or with too much."""


async def ask(socket: Path, commands: Sequence[str]) -> str:
    """All answers, one after the other. Raises Silent."""
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(f"{';'.join(commands)}\n".encode())
                return await _all(reader)
            finally:
                writer.close()
    except TimeoutError:
        raise Silent(f"no answer within {LIMIT_S:g} s") from None
    except OSError as error:
        raise Silent(error.strerror or str(error)) from None


async def _all(reader: asyncio.StreamReader) -> str:
    """Raises Silent."""
    said = bytearray()
    while piece := await reader.read(65536):
        said += piece
        if len(said) > MAX_BYTES:
            raise Silent(f"its answer is longer than {MAX_BYTES} bytes")
    return said.decode(errors="replace")
