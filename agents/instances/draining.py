"""How long a stop waits, and how far an engine is from having nothing to do. Pure."""

from agents.instances.liveness import flying_text, in_flight
from engines.base import EngineSample
from profiles.desired.model import DesiredInstance
from profiles.observed.status import Reason

DRAIN_S = 120.0
"""How long a stop waits for running requests unless it is told otherwise."""

HURRIED_S = 10.0
"""What a step of a stop without a wait is cut to: some engines let requests finish after their signal too."""

HELD = "nothing is in flight; held empty, `start` brings it back"


def limit_s(owned: DesiredInstance | None) -> float:
    """How long an end of it may wait for running requests."""
    return DRAIN_S if owned is None or owned.spec.drain_s is None else owned.spec.drain_s


def drain_reason(sample: EngineSample | None) -> Reason:
    """Code `empty` or `draining`; None is an engine that did not answer, which says nothing about its requests."""
    if sample is None:
        return Reason("draining", "waits for its requests; its metrics do not answer just now")
    if sample.running is None and sample.waiting is None:
        return Reason("empty", "the engine does not tell its requests")
    if in_flight(sample):
        return Reason("draining", f"waits for its requests: {flying_text(sample)}")
    return Reason("empty", HELD)
