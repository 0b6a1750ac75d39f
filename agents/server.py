"""The daemon's Unix socket: who may come in, and how many."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from agents import wire
from agents.channel import Channel
from agents.client import Client
from agents.errors import CannotListen
from agents.node import Node
from agents.peer import peer_of, role_of

MAX_CLIENTS = 64
MAX_PATH_BYTES = 100
"""108 are what the kernel has for a path (unix(7)); some of them are for the temporary name."""


class Server:
    """Serves `node` on `listener` until cancelled; then every connection is closed."""

    def __init__(self, listener: socket.socket, node: Node) -> None:
        self._listener = listener
        self._node = node
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        server = await asyncio.start_unix_server(self._accept, sock=self._listener)
        try:
            await server.serve_forever()
        finally:
            server.close()
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the daemon ends; streams would log a cancelled callback as an error
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
        except OSError:
            return  # gone before it was greeted
        channel = Channel(reader, writer)
        if (role := role_of(peer.uid)) is None:
            failure = wire.Failure(
                code="denied",
                message=f"user {peer.user} may not use this agent",
                hint="log in as the user that runs the agent",
            )
        elif len(self._clients) > MAX_CLIENTS:
            failure = wire.Failure(
                code="busy", message=f"{MAX_CLIENTS} consoles are connected", hint="close one of them"
            )
        else:
            await Client(channel, peer, role, self._node).run()
            return
        channel.write_preamble(secrets.token_hex(8))  # without it the failure could not be read
        await channel.say_last(failure)


@contextlib.contextmanager
def listen(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path`, mode 0600 from its first moment; removed at the end if it is still ours.

    Consoles can connect at once and are greeted once the Server runs. Raises CannotListen.
    A socket that a dead daemon left there is replaced: the caller holds the lock of the state directory.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise CannotListen(f"the socket path {path} is longer than {MAX_PATH_BYTES} bytes", "give a shorter --socket")
    temporary = path.with_name(f".{os.getpid():x}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            temporary.unlink(missing_ok=True)
            listener.bind(os.fspath(temporary))
            temporary.chmod(0o600)
            listener.listen(MAX_CLIENTS)
            temporary.rename(path)
            ours = path.stat().st_ino
        except OSError as error:
            raise CannotListen(f"no socket at {path}: {error.strerror}", "check its directory or --socket") from error
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == ours:
                    path.unlink()
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            temporary.unlink()
