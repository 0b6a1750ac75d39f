"""The KV cache is full: requests wait for room, or are pushed out and computed again."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt
from profiles.explain.shift import ends, shift

FULL_RATIO = 0.95
LOOK_BACK = 10


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    known = [(step, value) for step, value in enumerate(evidence.own.get("kv_usage_ratio", ())) if value is not None]
    if not known:
        return None
    full = max(value for _, value in known[-LOOK_BACK:]) >= FULL_RATIO
    stormy = shift(evidence.own.get("preempted_per_s", ()), 0.1)
    stormy = stormy if stormy and stormy.up else None
    if not (full or stormy) or hurt is None:
        first, last = ends(evidence.own["kv_usage_ratio"]) or (0.0, 0.0)
        return Cleared(Code.KV_FULL, f"KV cache {first:.0%} → {last:.0%}")
    begin = next((step for step, value in known if value >= FULL_RATIO), known[-1][0])
    at_unix_s = evidence.axis.at(min(begin, stormy.step) if stormy else begin)
    numbers = [f"KV cache {known[0][1]:.0%} → {known[-1][1]:.0%}"]
    if stormy:
        numbers.append(f"preempted {stormy.before:.1f} → {stormy.after:.1f} requests/s")
    return Cause(
        code=Code.KV_FULL, who=evidence.subject, first_sign_unix_s=at_unix_s,
        text="requests are pushed out of a full KV cache" if stormy else "the KV cache is full", numbers=tuple(numbers),
        score=(0.85 if stormy else 0.7) * timely(at_unix_s, hurt), follows=(Code.TRAFFIC, Code.PREFILL, Code.CHANGE),
    )  # fmt: skip
