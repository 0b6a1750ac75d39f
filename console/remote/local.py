"""This machine: the bridge as a child process, no ssh."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import SubprocessStreamProtocol
from contextlib import suppress

from console.inventory import Node
from console.remote.errors import LinkRefused
from console.remote.stream import STDERR_KEPT_BYTES, Connection, Ending, Stream
from profiles.observed.status import Reason

READ_BYTES = 256 * 1024
END_LIMIT_S = 1.0
"""A bridge has that long to end and to say why. Children of its own may hold its pipes for longer."""


class _Pipes(SubprocessStreamProtocol):
    """The three pipes of a process. `over` is set at its end, whoever still holds them."""

    def __init__(self) -> None:
        super().__init__(READ_BYTES, asyncio.get_running_loop())
        self.over = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.over.set()


class LocalStream:
    """One bridge process; it ends when its stdin closes."""

    way = "local"

    def __init__(self, process: asyncio.SubprocessTransport, pipes: _Pipes) -> None:
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        assert pipes.stderr is not None
        self._process = process
        self._over = pipes.over
        self._stdin, self._stdout = pipes.stdin, pipes.stdout
        self._said = b""
        self._listening = asyncio.create_task(self._listen(pipes.stderr))

    async def read(self) -> bytes:
        return await self._stdout.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def ending(self) -> Ending:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_LIMIT_S):
                await self._over.wait()
                await asyncio.shield(self._listening)
        return Ending(self._process.get_returncode(), self._said.decode("utf-8", "replace"))

    def close(self) -> None:
        self._stdin.close()
        self._signal(signal.SIGTERM)

    async def gone(self) -> None:
        """After `close`: its process has ended, by force if need be, and its pipes are closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(END_LIMIT_S):
                await self._over.wait()
        self._signal(signal.SIGKILL)
        await self._over.wait()
        self._listening.cancel()
        self._process.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.get_returncode() is None:
            # Not the transport's own: it reaps a child that has just ended, and asyncio complains that it is gone.
            with suppress(ProcessLookupError):
                os.kill(self._process.get_pid(), number)

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(STDERR_KEPT_BYTES):
            self._said = (self._said + data)[-STDERR_KEPT_BYTES:]


class LocalConnection:
    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._streams: list[LocalStream] = []

    async def open(self) -> Stream:
        pipe = asyncio.subprocess.PIPE
        try:
            process, pipes = await asyncio.get_running_loop().subprocess_exec(
                _Pipes, *self._argv, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            text = f"{self._argv[0]} cannot be run: {error.strerror}"
            raise LinkRefused(Reason("no_agent", text, "see `agent` in the inventory")) from None
        stream = LocalStream(process, pipes)
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        """Ends every bridge, and waits for it: no process is left behind."""
        for stream in self._streams:
            stream.close()
        await asyncio.gather(*(stream.gone() for stream in self._streams))


async def dial(node: Node) -> Connection:
    """Nothing happens before the first stream is opened."""
    # -P: a directory called `agents` where the console was started is not ours.
    argv = [node.agent, "attach"] if node.agent else [sys.executable, "-P", "-m", "agents", "attach"]
    if node.socket:
        argv += ["--socket", node.socket]
    return LocalConnection(argv)
