"""Somebody changed something shortly before."""

from profiles.explain.cause import Cause, Cleared, Code, Finding
from profiles.explain.evidence import Evidence, Happened
from profiles.explain.hurt import Hurt
from profiles.observed.status import SERVES

SHORTLY_S = 300.0
AT_ONCE_S = 60.0


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    changes = [one for one in evidence.happened if one.kind in (Happened.EDIT, Happened.RESTART)]
    if hurt is None or not changes:
        return Cleared(Code.CHANGE, "no change" if not changes else "what was changed hurts nobody")
    begin = _first_served(evidence)
    before = [one for one in changes if one.at_unix_s > begin and -5.0 <= hurt.at_unix_s - one.at_unix_s <= SHORTLY_S]
    if not before:
        return Cleared(Code.CHANGE, f"no change in {SHORTLY_S / 60:.0f} min before")
    newest = max(before, key=lambda one: one.at_unix_s)
    own = newest.about in ("", evidence.subject)
    soon = hurt.at_unix_s - newest.at_unix_s <= AT_ONCE_S
    return Cause(
        code=Code.CHANGE, who=newest.text, owner=newest.by, first_sign_unix_s=newest.at_unix_s, text=newest.text,
        numbers=(f"{hurt.at_unix_s - newest.at_unix_s:.0f} s before {hurt.text}",),
        score=(0.85 if own and soon else 0.65 if own else 0.45),
    )  # fmt: skip


def _first_served(evidence: Evidence) -> float:
    """What was asked before it served for the first time is how it began, and changed nothing."""
    first = next((step for step, phase in enumerate(evidence.phases) if phase in SERVES), 0)
    return evidence.axis.at(first) if first else float("-inf")
