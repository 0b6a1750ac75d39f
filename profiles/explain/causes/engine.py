"""The engine itself: it has requests and makes nothing of them, or less than it did with no reason from outside."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt
from profiles.explain.shift import shift
from profiles.status import Phase

STILL_STEPS = 10


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    return _hung(evidence, hurt) or _slow(evidence, hurt) or Cleared(Code.HUNG, "tokens come")


def _hung(evidence: Evidence, hurt: Hurt | None) -> Cause | None:
    running, tokens = evidence.own.get("running", ()), evidence.own.get("generation_tok_s", ())
    still = 0
    for busy, made in zip(reversed(running), reversed(tokens), strict=False):
        if made is None or made > 0 or not busy:
            break
        still += 1
    told = bool(evidence.phases) and evidence.phases[-1] is Phase.STALLED
    worked = any(made for made in tokens if made is not None)
    if not told and (still * evidence.axis.step_s < STILL_STEPS or not worked):
        return None
    at_unix_s = evidence.axis.at(len(tokens) - still) if still else (hurt.at_unix_s if hurt else evidence.axis.at(0))
    return Cause(
        code=Code.HUNG, who=evidence.subject, first_sign_unix_s=at_unix_s,
        text="it has requests and makes no token, though its process lives",
        numbers=(f"no token for {still * evidence.axis.step_s:.0f} s with {running[-1] or 0:.0f} requests running",)
        if running else (), score=0.95,
        follows=(Code.GPU_FAILING,),
    )  # fmt: skip


def _slow(evidence: Evidence, hurt: Hurt | None) -> Cause | None:
    """The least that can be said; whatever else is found comes before it."""
    moved = shift(evidence.own.get("generation_tok_s", ()), 1.0, 0.3)
    if moved is None or moved.up or hurt is None:
        return None
    at_unix_s = evidence.axis.at(moved.step)
    return Cause(
        code=Code.SLOW, who=evidence.subject, first_sign_unix_s=at_unix_s, text="it makes fewer tokens than before",
        numbers=(f"{moved.before:,.0f} → {moved.after:,.0f} tokens/s",), score=0.5 * timely(at_unix_s, hurt),
        follows=tuple(Code),
    )  # fmt: skip
