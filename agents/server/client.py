"""One console at the daemon: tell it what changes and what happens, answer what it asks.

board, at 1 Hz ─┐
events ─────────┼─► Channel, one frame at a time
replies, pongs ─┘
"""

import asyncio
from collections.abc import Callable

import msgspec

from agents import wire
from agents.access.caller import Caller
from agents.access.peer import Peer
from agents.server.channel import Channel, Closed, over
from agents.server.greeting import Greeted, greet
from agents.server.node import Node
from agents.server.requests import Requests
from profiles.observed.status import Role

TELL_EVERY_S = 1.0
ROLE_CHECK_S = 60.0
EVENTS_AT_ONCE = 32
"""So many of the longest events still fit a frame."""
RECENT_EVENTS = 200


class Client:
    """`role` is the most that the peer may have; the connection may begin by lowering it.

    `settle` is told who it is once that is known, and raises Closed when he has too many connections.
    """

    def __init__(
        self, channel: Channel, peer: Peer, role: Role, node: Node, settle: Callable[[str], None] = lambda person: None
    ) -> None:
        self._channel = channel
        self._peer = peer
        self._role = role
        self._node = node
        self._settle = settle

    async def run(self) -> None:
        """Until either side ends it. Raises nothing for what the peer does; the caller closes the connection."""
        node = self._node
        last = node.gate.audit.last
        own = wire.Hello(
            version=node.version,
            node=node.board.hostname,
            socket=node.socket,
            audit_seq=last.seq,
            audit_hash=last.hash,
        )
        try:
            greeted = await greet(self._channel, self._role, own, node.limits.hello_s)
            caller = await self._caller(greeted)
            self._settle(caller.person)
            async with asyncio.TaskGroup() as group:
                requests = Requests(node, caller, self._channel.send, group)
                if greeted.hello.telemetry:
                    async with self._channel.turn:
                        number = await self._write_snapshot()
                    group.create_task(self._tell_board(number))
                    group.create_task(self._tell_events(greeted.hello.last_event_seq))
                group.create_task(self._watch_role())
                await self._hear(caller, requests, greeted.frames)
        except* Closed as errors:
            if failure := _first(errors).failure:
                await self._channel.say_last(failure)
        except* OSError:
            pass  # the peer is gone

    async def _caller(self, greeted: Greeted) -> Caller:
        said = greeted.introduction
        believed = bool(said.label) and await self._node.roles.believes_label(self._peer.uid)
        return Caller(self._peer, greeted.role, greeted.hello.author or self._peer.user, said, believed)

    async def _watch_role(self) -> None:
        """Who has lost every role sees nothing more either."""
        role: Role | None = self._role
        while role is not None:
            await asyncio.sleep(ROLE_CHECK_S)
            role = await self._node.roles.role_of(self._peer.uid)
        raise over("denied", f"{self._peer.user} has no role on this node any more", "ask its admin")

    async def _hear(self, caller: Caller, requests: Requests, frames: list[wire.AnyFrame]) -> None:
        """Reading waits for each answer to be taken: a peer that does not read is not read either."""
        silence_s = self._node.limits.silence_s
        while True:
            self._node.gate.leases.heard(caller)
            for frame in frames:
                match frame:
                    case wire.Request():
                        await requests.take(frame)
                    case wire.Ping():
                        await self._channel.send(wire.Pong(number=frame.number))
                    case wire.Pong():
                        pass
                    case _:
                        raise over("invalid", f"a console does not send {type(frame).__name__}")
            try:
                async with asyncio.timeout(silence_s):
                    frames = await self._channel.read()
            except TimeoutError:
                raise over("timeout", f"nothing heard for {silence_s:g} s") from None

    async def _write_snapshot(self) -> int:
        number, snapshot = self._node.board.snapshot()
        await self._channel.write(msgspec.structs.replace(snapshot, events_from=self._node.events.first_seq))
        return number

    async def _tell_board(self, number: int) -> None:
        """A Delta every second, empty when nothing changed: it also says that the node lives."""
        board = self._node.board
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            async with self._channel.turn:
                try:
                    number, delta = board.since(number)
                except LookupError:
                    number = await self._write_snapshot()
                else:
                    await self._channel.write(delta or wire.Delta(at_unix_s=board.now()))

    async def _tell_events(self, seen: int | None) -> None:
        events = self._node.events
        if seen is None or not 0 <= seen <= events.last_seq:  # nothing seen, or of another state directory
            seen = max(events.last_seq - RECENT_EVENTS, 0)
        while True:
            await events.wait_after(seen)
            batch = events.after(seen, EVENTS_AT_ONCE)
            await self._channel.send(wire.Happened(events=tuple(batch)))
            seen = batch[-1].seq


def _first(errors: BaseExceptionGroup[Closed]) -> Closed:
    """With several, the one that says why."""
    leaves: list[Closed] = []
    groups: list[BaseExceptionGroup[Closed]] = [errors]
    while groups:
        for error in groups.pop().exceptions:
            if isinstance(error, BaseExceptionGroup):
                groups.append(error)
            else:
                leaves.append(error)
    return next((leaf for leaf in leaves if leaf.failure), leaves[0])
