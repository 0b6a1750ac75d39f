"""What every connection of a daemon shares, and who is asking."""

from dataclasses import dataclass
from typing import Protocol

from agents import wire
from agents.board import Board
from agents.events import EventLog
from agents.history import History
from agents.limits import DEFAULT, Limits
from agents.logs import LogSource
from agents.peer import DIRECT, Introduction, Peer
from agents.revisions import Revisions
from agents.roles import Roles
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
    history: History
    version: str
    socket: str
    roles: Roles
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the kernel's word on the peer, the most that it may do, and what is claimed beside.

    `label_believed` tells whether the introduction's label is more than a claim.
    """

    peer: Peer
    role: Role
    author: str
    introduction: Introduction = DIRECT
    label_believed: bool = False

    @property
    def person(self) -> str:
        """Whom limits are counted for: an account, or one of those behind a shared one."""
        label = self.introduction.label if self.label_believed else ""
        return person_of(self.peer, label)


def person_of(peer: Peer, label: str = "") -> str:
    return f"uid {peer.uid} ({label})" if label else f"uid {peer.uid}"
