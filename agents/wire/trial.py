"""Asks and answers about trying a ready engine."""

from agents.wire.base import Answer, Ask, Change
from profiles.latency.trial import KeptTrial, Level, Timing, Trial


class Smoke(Ask, frozen=True, kw_only=True):
    """One streamed request to a ready engine, from its own node."""

    instance: str


class StartTrial(Change, frozen=True, kw_only=True):
    """A ramp of requests to a ready engine, from its own node. Refused with `busy` while one of it is under way."""

    instance: str
    trial: Trial


class ReadTrial(Ask, frozen=True, kw_only=True):
    """How far a trial is, as soon as more than `known` are answered, at the latest after `wait_s`."""

    name: str
    known: int = -1
    wait_s: float = 0.0


class StopTrial(Change, frozen=True, kw_only=True):
    """End it; what its levels have shown is kept."""

    name: str


class ListTrials(Ask, frozen=True, kw_only=True):
    """Those that are over and kept; `instance` "" is of all."""

    instance: str = ""


class Smoked(Answer, frozen=True, kw_only=True):
    """Its `error` is that of the engine; a request that could not be tried is refused."""

    timing: Timing


class TrialStarted(Answer, frozen=True, kw_only=True):
    """It goes on without whoever began it."""

    name: str


class TrialReport(Answer, frozen=True, kw_only=True):
    """`levels` are those that are over; `over` with a `problem` is one that did not come to its end."""

    answered: int
    of: int
    levels: tuple[Level, ...] = ()
    over: bool = False
    problem: str = ""


class TrialStopped(Answer, frozen=True, kw_only=True):
    """No request of it is under way."""


class Trials(Answer, frozen=True, kw_only=True):
    """Oldest first."""

    trials: tuple[KeptTrial, ...]


TrialAsk = Smoke | StartTrial | ReadTrial | StopTrial | ListTrials
TrialAnswer = Smoked | TrialStarted | TrialReport | TrialStopped | Trials
