"""A verdict as lines: what hurts since when, the causes with their numbers, what was ruled out; and as JSON."""

from collections.abc import Mapping, Sequence

import msgspec

from console.render.entries import entry, long_entry
from console.render.figures import moment
from console.render.fit import Line
from console.render.table import Tone
from profiles.explain.cause import Cause, Code, Confidence
from profiles.explain.verdict import Verdict

SHOWN = 3
WORDS: Mapping[Code, str] = {
    Code.NEIGHBOUR: "noisy neighbour", Code.NEIGHBOUR_FOREIGN: "noisy neighbour, foreign",
    Code.TRAFFIC: "more traffic", Code.PREFILL: "longer prompts", Code.KV_FULL: "KV cache full",
    Code.BATCH: "batch too small", Code.THROTTLE: "throttled GPU", Code.GPU_FAILING: "failing GPU",
    Code.HUNG: "hung engine", Code.SLOW: "slow engine", Code.CHANGE: "recent change",
    Code.NODE: "node or link in trouble", Code.ORPHAN: "orphan holds memory",
}  # fmt: skip
_TONES = {Confidence.HIGH: Tone.BAD, Confidence.LIKELY: Tone.WARN, Confidence.POSSIBLE: Tone.PLAIN}


def verdict_lines(found: Verdict, width: int, skew_s: float, now_unix_s: float) -> list[Line]:
    """`skew_s` is how far the clock of its node is ahead of ours, whose time `now_unix_s` is."""
    hurt = found.hurt
    if not found.causes:
        calm = f"nothing hurts {found.subject}" if hurt is None else "no cause found"
        lines = [entry("Verdict", calm, Tone.DIM if hurt is None else Tone.WARN)]
    else:
        lines = []
    if hurt is not None:
        at = moment(hurt.at_unix_s - skew_s, now_unix_s)
        lines = [*lines, *long_entry("Hurt", f"{found.subject}: {hurt.text}, since {at}", width)]
    for place, cause in enumerate(found.causes[:SHOWN]):
        lines += _cause("Verdict" if place == 0 else "Or", cause, width, skew_s, now_unix_s)
    if found.ruled_out:
        lines += long_entry("Ruled out", " · ".join(one.text for one in found.ruled_out), width, Tone.DIM)
    return lines


def _cause(label: str, cause: Cause, width: int, skew_s: float, now_unix_s: float) -> list[Line]:
    at = moment(cause.first_sign_unix_s - skew_s, now_unix_s)
    text = f"{WORDS[cause.code]} · confidence {cause.confidence} · first sign {at}"
    lines = long_entry(label, text, width, _TONES[cause.confidence])
    return [*lines, *long_entry("", f"{cause.text}: {'; '.join(cause.numbers)}", width)]


def verdict_item(found: Verdict, node: str, skew_s: float) -> dict[str, object]:
    """Times are of the node's clock, `clock_skew_s` ahead of ours."""
    item: dict[str, object] = msgspec.to_builtins(found)
    causes = [{**msgspec.to_builtins(one), "confidence": one.confidence} for one in found.causes]
    return {"node": node, "clock_skew_s": skew_s, **item, "causes": causes}


def with_verdict(facts: Sequence[Line], verdict: Sequence[Line]) -> list[Line]:
    """Below the first part of a page, where it is in sight without a key."""
    at = next((at for at, line in enumerate(facts) if not line and at), len(facts))
    return [*facts[:at], (), *verdict, *facts[at:]]
