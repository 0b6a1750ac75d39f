"""The daemon's Unix socket: who may come in, and how many."""

import asyncio
import secrets
import socket

from agents import wire
from agents.channel import Channel
from agents.client import Client
from agents.node import Node
from agents.peer import peer_of

MAX_CLIENTS = 64


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
        if (role := await self._node.roles.role_of(peer.uid)) is None:
            why = self._node.roles.problem
            failure = wire.Failure(
                code="denied",
                message=f"user {peer.user} may not use this agent{f': {why}' if why else ''}",
                hint="" if why else "log in as the user that runs the agent, or ask its admin for a role",
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
