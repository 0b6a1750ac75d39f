"""What an apply tells while it goes on: the command line prints it, the screen draws it."""

from enum import StrEnum

import msgspec

from console.settling import Settling
from profiles.observed.status import Reason
from profiles.plans.plan import Step


class Began(msgspec.Struct, frozen=True, kw_only=True):
    """Wave `number`, from 1, was begun; `back` is one of a rollback."""

    number: int
    of: int
    steps: tuple[Step, ...]
    back: bool = False


class Soaking(msgspec.Struct, frozen=True, kw_only=True):
    """All of the wave is ready, and has to stay so."""

    steps: tuple[Step, ...]
    seconds: float


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Why the wave in hand does not come to its end; `instance` "" where it is the node itself."""

    node: str
    instance: str
    reason: Reason
    unreachable: bool = False


class Outcome(StrEnum):
    DONE = "done"
    ROLLED_BACK = "rolled back"
    PAUSED = "paused"
    """Its journal is open: any console may go on."""


class Over(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    why: Reason | None = None
    back: bool = False
    """It was on its way back."""


Told = Began | Settling | Soaking | Failed | Over

PAUSED_BY_HAND = Reason("paused", "somebody paused it")
