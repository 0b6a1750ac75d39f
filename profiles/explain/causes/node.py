"""The node or the way to it: nothing comes from there, or its CPUs are taken."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence, Happened
from profiles.explain.hurt import Hurt
from profiles.explain.shift import ends, shift

FULL_RATIO = 0.9
_SIGNS = (Happened.NODE_LOST, Happened.NODE_STALE, Happened.SLOW_LINK)


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    signs = [one for one in evidence.happened if one.kind in _SIGNS]
    if signs:
        first = min(signs, key=lambda one: one.at_unix_s)
        return Cause(code=Code.NODE, who=first.about, first_sign_unix_s=first.at_unix_s, text=first.text,
                     numbers=tuple(one.text for one in signs[:3]), score=0.9)  # fmt: skip
    moved = shift(evidence.host.get("cpu_ratio", ()), 0.2)
    if moved is None or not moved.up or moved.after < FULL_RATIO or hurt is None:
        known = ends(evidence.host.get("cpu_ratio", ()))
        return Cleared(Code.NODE, f"CPUs of the host {known[0]:.0%} → {known[1]:.0%}") if known else None
    at_unix_s = evidence.axis.at(moved.step)
    return Cause(
        code=Code.NODE, who="the host", first_sign_unix_s=at_unix_s, text="the CPUs of the host are taken",
        numbers=(f"CPUs {moved.before:.0%} → {moved.after:.0%}",), score=0.82 * timely(at_unix_s, hurt),
        follows=(Code.TRAFFIC,),
    )  # fmt: skip
