"""The engine itself: it has requests and makes nothing of them, or less than it did with no reason from outside."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence, Track
from profiles.explain.hurt import Hurt
from profiles.explain.shift import shift
from profiles.observed.status import Phase

STILL_STEPS = 10
RATE_STEPS = 25
"""A rate is of some seconds: it falls for as long, and is zero only then."""


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    return _hung(evidence, hurt) or _slow(evidence, hurt) or Cleared(Code.HUNG, "tokens come")


def _hung(evidence: Evidence, hurt: Hurt | None) -> Cause | None:
    tokens = evidence.own.get("generation_tok_s", ())
    still = _still(evidence.own.get("running", ()), tokens)
    told = bool(evidence.phases) and evidence.phases[-1] is Phase.STALLED
    worked = any(made for made in tokens if made is not None)
    if not told and (len(still) * evidence.axis.step_s < STILL_STEPS or not worked):
        return None
    began = still[0] if still else len(tokens)
    fell = shift(tokens, 1.0, 0.3)
    if fell and not fell.up and 0 <= began - fell.step <= RATE_STEPS:
        began = fell.step
    last = next((busy for busy in reversed(evidence.own.get("running", ())) if busy is not None), None)
    return Cause(
        code=Code.HUNG, who=evidence.subject, first_sign_unix_s=evidence.axis.at(began),
        text="it has requests and makes no token, though its process lives",
        numbers=(f"no token for {len(still) * evidence.axis.step_s:.0f} s with {last or 0:.0f} requests running",)
        if still else ("its agent sees no progress",), score=0.95,
        follows=(Code.GPU_FAILING,),
    )  # fmt: skip


def _still(running: Track, tokens: Track) -> list[int]:
    """The last steps in a row in which requests ran and no token came; those that nobody read are passed over."""
    found: list[int] = []
    for step in range(min(len(running), len(tokens)) - 1, -1, -1):
        made, busy = tokens[step], running[step]
        if made is None or busy is None:
            continue
        if made > 0 or not busy:
            break
        found.append(step)
    return found[::-1]


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
