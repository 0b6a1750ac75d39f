"""What every instance of a node shares."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents.board import Board
from agents.events import EventLog
from agents.fractions.fractions import Fractions
from agents.fractions.holds import Holds
from agents.gateways.doors import Doors
from agents.instances.admission import Admission
from agents.instances.liveness import Pace
from agents.instances.loads import LoadMemory
from agents.instances.measurements import Measurements
from agents.instances.restart import RestartPolicy
from agents.instances.secrets import Secrets
from agents.layout import Layout
from agents.processes.isolation.plain import Plain
from agents.processes.isolation.tier import Tier
from agents.runtimes.runtimes import Runtimes


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one agent, and how patient it is. `grace_s` is for engines whose adapter knows no better."""

    layout: Layout
    board: Board
    events: EventLog
    loads: LoadMemory
    measurements: Measurements
    admission: Admission
    secrets: Secrets
    fractions: Fractions
    holds: Holds
    runtimes: Runtimes
    doors: Doors
    policy: RestartPolicy = RestartPolicy()
    pace: Pace = Pace()
    grace_s: float = 45.0
    simulated: Path | None = None
    tier: Tier = Plain()
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
