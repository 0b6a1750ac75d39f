"""This machine: the bridge as a child process, no ssh."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

from console.inventory import Node
from console.remote.errors import LinkRefused
from console.remote.stream import STDERR_KEPT_BYTES, Connection, Ending, Stream
from profiles.status import Reason

READ_BYTES = 256 * 1024


class LocalStream:
    """One bridge process; it ends when its stdin closes."""

    way = "local"

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._stderr = asyncio.create_task(_tail(process.stderr))

    async def read(self) -> bytes:
        return await self._stdout.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def ending(self) -> Ending:
        stderr = await self._stderr
        return Ending(await self._process.wait(), stderr)

    def close(self) -> None:
        self._stdin.close()
        if self._process.returncode is None:
            # Not Process.terminate: it reaps a child that has just ended, and asyncio complains that it is gone.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)


class LocalConnection:
    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._streams: list[LocalStream] = []

    async def open(self) -> Stream:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*self._argv, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            text = f"{self._argv[0]} cannot be run: {error.strerror}"
            raise LinkRefused(Reason("no_agent", text, "see `agent` in the inventory")) from None
        stream = LocalStream(process)
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        """Ends every bridge, and waits for it: no process is left behind."""
        for stream in self._streams:
            stream.close()
        for stream in self._streams:
            await stream.ending()


async def dial(node: Node) -> Connection:
    """Nothing happens before the first stream is opened."""
    # -P: a directory called `agents` where the console was started is not ours.
    argv = [node.agent, "attach"] if node.agent else [sys.executable, "-P", "-m", "agents", "attach"]
    if node.socket:
        argv += ["--socket", node.socket]
    return LocalConnection(argv)


async def _tail(reader: asyncio.StreamReader) -> str:
    kept = b""
    while data := await reader.read(STDERR_KEPT_BYTES):
        kept = (kept + data)[-STDERR_KEPT_BYTES:]
    return kept.decode("utf-8", "replace")
