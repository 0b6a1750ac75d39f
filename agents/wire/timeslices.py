"""What is asked and answered about the turns of a GPU that is shared by turns."""

from agents.wire.base import Answer, Change
from engines.devices import Timeslice
from profiles.observed.status import Reason


class ChangeTimeslice(Change, frozen=True, kw_only=True):
    """How long a process has the GPU to itself, from now on. Refused where the agent lacks the right to it."""

    gpu: str
    to: Timeslice


class TimesliceChanged(Answer, frozen=True, kw_only=True):
    """It is wanted; `problem` is why the driver does not have it yet."""

    problem: Reason | None = None
