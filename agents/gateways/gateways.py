"""Makes every gateway of the node send requests to just those replicas that take them.

Level-triggered, like a keeper: each look reads what HAProxy has, compares it with the instances that there are, and
tells it the difference. A look that was missed, or an agent that is new, leads nothing astray: HAProxy goes on with
the members that it has, and its own checks take a dead one out.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from agents.gateways import runtimesocket, stats
from agents.gateways.doors import Doors
from agents.gateways.members import Replica, commands, instance_of, is_out, listening, wished
from agents.gateways.rates import Rates
from agents.gateways.runtimesocket import Silent
from profiles.desired.gateway import Gateway, GatewayReading

LOOK_S = 1.0
LEAVING_S = 0.2
"""While somebody leaves: his end waits for it."""

logger = logging.getLogger(__name__)


class Front(NamedTuple):
    """A gateway that runs. `incarnation` changes when its counters begin anew."""

    name: str
    incarnation: int
    gateway: Gateway
    socket: Path
    replicas: tuple[Replica, ...]
    """Of its profile, on this node."""


class Node(Protocol):
    """The instances, as a gateway needs them."""

    def open(self) -> list[Front]: ...

    def unseen(self, names: set[str]) -> set[str]:
        """Those that run, or of which that is not known yet."""
        ...

    def show(self, name: str, reading: GatewayReading) -> None: ...


class Gateways:
    """Of one agent."""

    def __init__(self, node: Node, doors: Doors) -> None:
        self._node = node
        self._doors = doors
        self._rates: dict[tuple[str, int], Rates] = {}

    async def run(self) -> None:
        while True:
            self._doors.knocked.clear()
            pause_s = await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._doors.knocked.wait()

    async def look(self) -> float:
        """Once at all of them. Seconds until the next look."""
        fronts = self._node.open()
        self._doors.closed([front.name for front in fronts])
        self._doors.awaited = self._node.unseen(self._doors.awaited)
        self._rates = {
            (front.name, front.incarnation): self._rates.get((front.name, front.incarnation), Rates())
            for front in fronts
        }
        leaving = await asyncio.gather(*(self._attend(front) for front in fronts))
        return LEAVING_S if any(leaving) else LOOK_S

    async def _attend(self, front: Front) -> bool:
        """Whether somebody is leaving it."""
        try:
            return await self._reconcile(front)
        except Silent as error:
            logger.warning("gateway %s: %s", front.name, error)
            return False

    async def _reconcile(self, front: Front) -> bool:
        """Raises Silent."""
        found = stats.read(await runtimesocket.ask(front.socket, ("show stat",)))
        replicas = self._now(front)
        wish = wished(front.gateway, replicas)
        kept = {one.member for one in replicas if one.takes is None}
        self._doors.saw(front.name, {
            instance_of(name): server.sessions for name, server in found.servers.items() if not is_out(server)
        })  # fmt: skip
        self._doors.let_in(front.name, [instance_of(name) for name in wish])
        told = listening(front.gateway, found.listens, wish.keys() | kept)
        if wish or not told:
            told = commands(found.servers, wish, kept) + told
        if told:
            await runtimesocket.ask(front.socket, told)
        self._node.show(front.name, self._rates[front.name, front.incarnation].reading(found, time.monotonic()))
        return bool(found.servers.keys() - wish.keys() - kept)

    def _now(self, front: Front) -> Sequence[Replica]:
        """HAProxy may have been slow to answer: as they are at this moment, so that nobody who leaves is let in."""
        return next((one.replicas for one in self._node.open() if one.name == front.name), ())
