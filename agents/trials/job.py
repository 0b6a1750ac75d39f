"""What a trial's child is told and what it says."""

import msgspec

from agents.trials.completion import Target
from profiles.latency.trial import Level, Trial


class Job(msgspec.Struct, frozen=True):
    """`target` may hold a key, so it comes by stdin and never as an argument."""

    target: Target
    trial: Trial
    seed: int = 0


class Report(msgspec.Struct, frozen=True):
    """How far it is; `level` is one that is over."""

    answered: int
    level: Level | None = None
