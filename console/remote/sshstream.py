"""The two kinds of channel that reach an agent over ssh, as streams."""

import asyncio

import asyncssh

from console.remote.stream import STDERR_KEPT_BYTES, Ending

WINDOW_BYTES = 256 * 1024


class SocketStream:
    """The agent's Unix socket, forwarded by sshd."""

    way = "socket"

    def __init__(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await _read(self._reader)

    async def write(self, data: bytes) -> None:
        await _write(self._writer, data)

    async def ending(self) -> Ending:
        return Ending()

    def close(self) -> None:
        self._writer.close()


class BridgeStream:
    """`gpuyard-agent attach` on the host."""

    way = "bridge"

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process
        self._stderr = asyncio.create_task(_tail(process.stderr))

    async def read(self) -> bytes:
        return await _read(self._process.stdout)

    async def write(self, data: bytes) -> None:
        await _write(self._process.stdin, data)

    async def ending(self) -> Ending:
        stderr = await self._stderr
        await self._process.wait_closed()
        return Ending(self._process.exit_status, stderr)

    def close(self) -> None:
        self._stderr.cancel()
        self._process.close()


async def _read(reader: asyncssh.SSHReader[bytes]) -> bytes:
    try:
        return await reader.read(WINDOW_BYTES)
    except asyncssh.Error as error:
        raise ConnectionError(error.reason) from None


async def _write(writer: asyncssh.SSHWriter[bytes], data: bytes) -> None:
    try:
        writer.write(data)
        await writer.drain()
    except asyncssh.Error as error:
        raise ConnectionError(error.reason) from None


async def _tail(reader: asyncssh.SSHReader[bytes]) -> str:
    kept = b""
    try:
        while data := await reader.read(STDERR_KEPT_BYTES):
            kept = (kept + data)[-STDERR_KEPT_BYTES:]
    except asyncssh.Error:
        pass
    return kept.decode("utf-8", "replace")
