"""More requests than before."""

from math import sqrt

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence, Track
from profiles.explain.hurt import Hurt
from profiles.explain.shift import Shift, ends, shift

LEAST_PER_S = 0.3
RATIO = 0.3
DEVIATIONS = 4.0
"""Requests come by chance: so many standard deviations of their counts is more than that."""


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    """A step up alone hurts nobody: it is a cause where something is hurt."""
    track = evidence.own.get("requests_per_s", ())
    moved = shift(track, LEAST_PER_S, RATIO)
    if moved is None or not moved.up or hurt is None or not _beyond_chance(moved, track, evidence.axis.step_s):
        known = ends(track)
        return Cleared(Code.TRAFFIC, f"traffic {known[0]:.1f} → {known[1]:.1f}/s") if known else None
    at_unix_s = evidence.axis.at(moved.step)
    grown = moved.after / max(moved.before, 0.01)
    return Cause(
        code=Code.TRAFFIC, who="traffic", first_sign_unix_s=at_unix_s, text=f"{grown:.1f} times as many requests",
        numbers=(f"{moved.before:.1f} → {moved.after:.1f} requests/s",),
        score=(0.9 if grown >= 1.5 else 0.7) * timely(at_unix_s, hurt),
    )  # fmt: skip


def _beyond_chance(moved: Shift, track: Track, step_s: float) -> bool:
    """Of two Poisson rates, each counted for as long as it was seen."""
    before_s = sum(value is not None for value in track[: moved.step]) * step_s
    after_s = sum(value is not None for value in track[moved.step :]) * step_s
    deviation = sqrt(moved.before / before_s + moved.after / after_s)
    return moved.after - moved.before >= DEVIATIONS * deviation
