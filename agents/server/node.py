"""What every connection of a daemon shares."""

from dataclasses import dataclass, field
from typing import Protocol

from agents import wire
from agents.access.gate import Gate
from agents.access.roles import Roles
from agents.board import Board
from agents.doctor.examiner import Examiner
from agents.events import EventLog
from agents.fractions.layouts import Layouts
from agents.fractions.timeslices import Timeslices
from agents.instances.acts import Acts
from agents.instances.logs import LogSource
from agents.instances.measurements import Measurements
from agents.limits import DEFAULT, Bucket, Limits
from agents.past.applies import Applies
from agents.past.history import History
from agents.past.revisions import Revisions
from agents.processes.survey import Survey
from agents.processes.terminating import Terminator
from agents.runtimes.maker import Maker
from agents.runtimes.runtimes import Runtimes
from agents.trials.trials import Trials


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
    applies: Applies
    history: History
    version: str
    socket: str
    roles: Roles
    gate: Gate
    survey: Survey
    terminator: Terminator
    examiner: Examiner
    trials: Trials
    layouts: Layouts
    timeslices: Timeslices
    acts: Acts
    runtimes: Runtimes
    maker: Maker
    measurements: Measurements
    limits: Limits = DEFAULT
    log_rate: Bucket = field(default_factory=lambda: Bucket(DEFAULT.log_bytes_per_s, DEFAULT.log_bytes_per_s))
    """Bytes of engines' logs, to all consoles together."""
