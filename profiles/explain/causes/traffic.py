"""More requests than before."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt
from profiles.explain.shift import shift

LEAST_PER_S = 0.3
RATIO = 0.3


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    """A step up alone hurts nobody: it is a cause where something is hurt."""
    track = evidence.own.get("requests_per_s", ())
    moved = shift(track, LEAST_PER_S, RATIO)
    if moved is None or not moved.up or hurt is None:
        known = [value for value in track if value is not None]
        return Cleared(Code.TRAFFIC, f"traffic {known[0]:.1f} → {known[-1]:.1f}/s") if known else None
    at_unix_s = evidence.axis.at(moved.step)
    grown = moved.after / max(moved.before, 0.01)
    return Cause(
        code=Code.TRAFFIC, who="traffic", first_sign_unix_s=at_unix_s, text=f"{grown:.1f} times as many requests",
        numbers=(f"{moved.before:.1f} → {moved.after:.1f} requests/s",),
        score=(0.9 if grown >= 1.5 else 0.7) * timely(at_unix_s, hurt),
    )  # fmt: skip
