"""Longer prompts than before: as many requests, and each takes more work before its first token."""

from profiles.explain.cause import Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence, Track
from profiles.explain.hurt import Hurt
from profiles.explain.shift import ends, shift

RATIO = 0.5
LEAST_TOKENS = 64.0
LEAST_REQUESTS = 20.0
"""On either side: prompts differ, and a mean of a few says nothing."""
SMOOTH = 10
"""Steps: prompts are counted when they come, and requests when they end."""


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    requests = evidence.own.get("requests_per_s", ())
    each = _tokens_each(evidence.own.get("prompt_tok_s", ()), requests)
    moved = shift(each, LEAST_TOKENS, RATIO)
    if moved is None or not moved.up or hurt is None or not _enough(requests, moved.step, evidence.axis.step_s):
        known = ends(each)
        return Cleared(Code.PREFILL, f"prompts {known[0]:,.0f} → {known[1]:,.0f} tokens") if known else None
    at_unix_s = evidence.axis.at(moved.step)
    return Cause(
        code=Code.PREFILL, who="traffic", first_sign_unix_s=at_unix_s, text="prompts are longer",
        numbers=(f"{moved.before:,.0f} → {moved.after:,.0f} tokens a prompt",),
        score=0.88 * timely(at_unix_s, hurt),
    )  # fmt: skip


def _tokens_each(tokens: Track, requests: Track) -> Track:
    """Of sums of a few steps, where there were requests."""
    found: list[float | None] = []
    for end in range(1, min(len(tokens), len(requests)) + 1):
        begin = max(0, end - SMOOTH)
        pairs = [
            (prompt, asked)
            for prompt, asked in zip(tokens[begin:end], requests[begin:end], strict=True)
            if prompt is not None and asked is not None
        ]
        asked_in_all = sum(asked for _, asked in pairs)
        found.append(sum(prompt for prompt, _ in pairs) / asked_in_all if asked_in_all > 0.5 else None)
    return tuple(found)


def _enough(requests: Track, step: int, step_s: float) -> bool:
    sides = (requests[:step], requests[step:])
    return all(sum(value or 0.0 for value in side) * step_s >= LEAST_REQUESTS for side in sides)
