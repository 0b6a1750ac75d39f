"""A cause, or what was looked at and cleared; both with their numbers."""

from enum import StrEnum

import msgspec

from profiles.explain.hurt import Hurt


class Code(StrEnum):
    NEIGHBOUR = "noisy_neighbour"
    NEIGHBOUR_FOREIGN = "noisy_neighbour_foreign"
    TRAFFIC = "traffic_step"
    PREFILL = "prefill_heavy"
    KV_FULL = "kv_full"
    BATCH = "undersized_batch"
    THROTTLE = "throttle"
    GPU_FAILING = "gpu_failing"
    HUNG = "hung_engine"
    SLOW = "slow_engine"
    CHANGE = "recent_change"
    NODE = "node_trouble"
    ORPHAN = "orphan"


class Confidence(StrEnum):
    HIGH = "high"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """`score` is 0 to 1; `follows` are causes that it may be the effect of, and then it comes after them."""

    code: Code
    who: str
    """What does it: a process, an instance, the traffic."""
    owner: str = ""
    pid: int | None = None
    """Of a process that is not ours, or that was left behind."""
    first_sign_unix_s: float
    text: str
    numbers: tuple[str, ...] = ()
    score: float
    follows: tuple[Code, ...] = ()

    @property
    def confidence(self) -> Confidence:
        return (
            Confidence.HIGH if self.score >= 0.8 else Confidence.LIKELY if self.score >= 0.55 else Confidence.POSSIBLE
        )


class Cleared(msgspec.Struct, frozen=True):
    """Ruled out by what `text` says: `KV 93 → 94%`."""

    code: Code
    text: str


Finding = Cause | Cleared | None
"""None: there was nothing to look at."""

LEAD_S = 180.0
"""A cause shows itself at most so long before what it does to others."""
LAG_S = 6.0
"""And its sign comes at most so long after: scrapes and windows are late by different times."""


def timely(at_unix_s: float, hurt: Hurt | None) -> float:
    """1 for a sign at the right time, less for one too early or late; what hurts nobody yet is not judged by time."""
    if hurt is None:
        return 1.0
    lead_s = hurt.at_unix_s - at_unix_s
    if -LAG_S <= lead_s <= LEAD_S:
        return 1.0
    return 0.6 if lead_s > LEAD_S else 0.3
