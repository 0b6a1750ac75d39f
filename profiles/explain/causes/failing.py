"""The GPU fails: an XID, memory errors, or it is gone."""

from profiles.explain.cause import Cause, Cleared, Code, Finding
from profiles.explain.evidence import Evidence, Happened
from profiles.explain.hurt import Hurt

_SIGNS = (Happened.XID, Happened.ECC, Happened.GPU_LOST)


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    """A sign on this GPU is told whether somebody is hurt by it yet or not."""
    signs = [one for one in evidence.happened if one.kind in _SIGNS]
    if not signs:
        return Cleared(Code.GPU_FAILING, "XID none")
    first = min(signs, key=lambda one: one.at_unix_s)
    worst = max(signs, key=lambda one: one.kind is Happened.GPU_LOST)
    late = hurt is not None and first.at_unix_s > hurt.at_unix_s + 60
    return Cause(
        code=Code.GPU_FAILING, who=worst.about or "the GPU", first_sign_unix_s=first.at_unix_s, text=worst.text,
        numbers=tuple(one.text for one in signs[:3]), score=0.5 if late else 0.95,
    )  # fmt: skip
