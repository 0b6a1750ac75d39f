"""The daemon's Unix socket: who may come in, and how many.

A socket file that somebody removed or replaced is made anew; those who are connected do not notice.
"""

import asyncio
import secrets
from functools import partial

from agents.access.caller import person_of
from agents.access.peer import Peer, peer_of
from agents.errors import CannotListen
from agents.server.channel import Channel, Closed, over
from agents.server.client import Client
from agents.server.listener import Door
from agents.server.node import Node
from profiles.observed.status import EventKind, Reason, Role

LOOK_S = 1.0
LOST = "socket_lost"


class Server:
    """Serves `node` at `door` until cancelled; then every connection is closed."""

    def __init__(self, door: Door, node: Node) -> None:
        self._door = door
        self._node = node
        self._clients: dict[asyncio.Task[None], str] = {}
        """Each connection and whose it is, as far as that is known."""

    async def run(self) -> None:
        try:
            while True:
                server = await asyncio.start_unix_server(self._accept, sock=self._door.socket)
                try:
                    await self._until_replaced()
                finally:
                    server.close()
        finally:
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _until_replaced(self) -> None:
        """Return once the door had to be opened anew, and is."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._door.is_found() and self._reopen():
                return

    def _reopen(self) -> bool:
        board = self._node.board
        try:
            self._door.open()
        except CannotListen as error:
            board.set_trouble(LOST, Reason(LOST, f"the agent's socket is lost: {error.message}", error.hint))
            return False
        board.set_trouble(LOST, None)
        text = f"the socket {self._door.path} was removed or replaced; it is there again"
        self._node.events.append(EventKind.AGENT, text, code=LOST)
        return True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = ""
        try:
            await self._serve(reader, writer, task)
        except asyncio.CancelledError:
            pass  # the daemon ends; streams would log a cancelled callback as an error
        finally:
            del self._clients[task]
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: "asyncio.Task[None]"
    ) -> None:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
        except OSError:
            return  # gone before it was greeted
        channel = Channel(reader, writer, self._node.limits)
        try:
            role = await self._admit(task, peer)
        except Closed as closed:
            channel.write_preamble(secrets.token_hex(8))  # without it the failure could not be read
            if closed.failure:
                await channel.say_last(closed.failure)
        else:
            await Client(channel, peer, role, self._node, partial(self._settle, task)).run()

    async def _admit(self, task: "asyncio.Task[None]", peer: Peer) -> Role:
        """The most that the peer may do. Raises Closed."""
        role = await self._node.roles.role_of(peer.uid)
        if role is None:
            why = self._node.roles.problem
            hint = "" if why else "log in as the user that runs the agent, or ask its admin for a role"
            raise over("denied", f"user {peer.user} may not use this agent{f': {why}' if why else ''}", hint)
        at_most = self._node.limits.clients
        if len(self._clients) > at_most:
            raise over("busy", f"{at_most} connections are open, and no more are taken", "close a console")
        self._settle(task, person_of(peer))
        return role

    def _settle(self, task: "asyncio.Task[None]", person: str) -> None:
        """The connection of `task` is that person's. Raises Closed when it is one too many."""
        self._clients[task] = person
        at_most = self._node.limits.clients_a_person
        if list(self._clients.values()).count(person) > at_most:
            raise over("busy", f"{person} has {at_most} connections to this agent", "close one of them")
