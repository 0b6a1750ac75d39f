"""The GPU is held back: too hot, or not enough power."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt
from profiles.explain.shift import shift

LEAST_RATIO = 0.2


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    track = evidence.gpu.get("throttled_ratio", ())
    known = [value for value in track if value is not None]
    if not known:
        return None
    moved = shift(track, LEAST_RATIO)
    if moved is None or not moved.up:
        return Cleared(Code.THROTTLE, f"throttle {known[-1]:.0%} of the time")
    at_unix_s = evidence.axis.at(moved.step)
    hot = [value for value in evidence.gpu.get("temperature_c", ()) if value is not None]
    numbers = [f"held back {moved.before:.0%} → {moved.after:.0%} of the time"]
    if hot:
        numbers.append(f"up to {max(hot):.0f} °C")
    return Cause(
        code=Code.THROTTLE, who="the GPU", first_sign_unix_s=at_unix_s,
        text=f"the GPU is held back{f': {evidence.throttle}' if evidence.throttle else ''}", numbers=tuple(numbers),
        score=(0.9 if hurt else 0.6) * timely(at_unix_s, hurt),
    )  # fmt: skip
