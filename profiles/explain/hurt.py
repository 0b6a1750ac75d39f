"""Whether the subject is hurt at all, by what, and since when: the one thing that a cause has to explain."""

import msgspec

from profiles.explain.evidence import Evidence
from profiles.explain.shift import shift
from profiles.latency.slo import in_bucket
from profiles.latency.words import quantile
from profiles.observed.status import Phase

LATE_RATIO = 0.5
"""Latency that rises by less is not called hurt where nothing is promised."""


class Hurt(msgspec.Struct, frozen=True):
    """`what` is a track, or the phase; `before` and `after` in its unit."""

    at_unix_s: float
    what: str
    before: float
    after: float
    text: str


def hurt(evidence: Evidence) -> Hurt | None:
    """The first of: it stands still, it is slow, it fails, it queues."""
    return _stalled(evidence) or _slow(evidence) or _failing(evidence) or _queueing(evidence)


def _stalled(evidence: Evidence) -> Hurt | None:
    bad = [step for step, phase in enumerate(evidence.phases) if phase in (Phase.STALLED, Phase.FAILED, Phase.LOST)]
    if not bad or evidence.phases[-1] not in (Phase.STALLED, Phase.FAILED, Phase.LOST):
        return None
    first = bad[-1]
    while first - 1 in bad:
        first -= 1
    phase = evidence.phases[-1]
    return Hurt(evidence.axis.at(first), "phase", 0.0, 1.0, f"it is {phase}")


def _slow(evidence: Evidence) -> Hurt | None:
    found = []
    for name in ("ttft_p95_s", "itl_p95_s"):
        moved = shift(evidence.own.get(name, ()), least=0.0, ratio=LATE_RATIO)
        target_s = evidence.targets_s.get(name)
        if moved and moved.up and (target_s is None or moved.after > target_s):
            bounds_s = evidence.bounds_s.get(name, ())
            before, after = (quantile(in_bucket(value, bounds_s)) for value in (moved.before, moved.after))
            text = f"{name.partition('_')[0].upper()} p95 {before} → {after}"
            found.append(Hurt(evidence.axis.at(moved.step), name, moved.before, moved.after, text))
    return min(found, key=lambda one: one.at_unix_s, default=None)


def _failing(evidence: Evidence) -> Hurt | None:
    moved = shift(evidence.own.get("failed_per_s", ()), least=0.05)
    if moved is None or not moved.up:
        return None
    text = f"failed requests {moved.before:.2f} → {moved.after:.2f}/s"
    return Hurt(evidence.axis.at(moved.step), "failed_per_s", moved.before, moved.after, text)


def _queueing(evidence: Evidence) -> Hurt | None:
    moved = shift(evidence.own.get("waiting", ()), least=2.0, ratio=1.0)
    if moved is None or not moved.up:
        return None
    text = f"queue {moved.before:.0f} → {moved.after:.0f}"
    return Hurt(evidence.axis.at(moved.step), "waiting", moved.before, moved.after, text)
