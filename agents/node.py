"""What every connection of a daemon shares, and who is asking."""

from dataclasses import dataclass
from typing import Protocol

from agents import wire
from agents.board import Board
from agents.events import EventLog
from agents.logs import LogSource
from agents.peer import Peer
from agents.revisions import Revisions
from profiles.status import Role


class Control(LogSource, Protocol):
    """What the connections need of the supervisor."""

    def set_desired(self, request: wire.SetDesired, author: str) -> int:
        """The new generation, durable. Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of one daemon that answer requests."""

    board: Board
    events: EventLog
    control: Control
    revisions: Revisions
    version: str
    socket: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the kernel's word on the peer, the role that is left, and who the console says it is."""

    peer: Peer
    role: Role
    author: str
