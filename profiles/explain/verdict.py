"""All rules asked and their findings in order: what comes first is called the cause."""

from collections.abc import Sequence

import msgspec

from profiles.explain.cause import Cause, Cleared
from profiles.explain.causes import RULES
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt, hurt

EFFECT = 0.5
"""What may be the effect of a cause that was found counts half."""
SURE = 0.55


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`causes` are ranked; none where nothing was found, and then `ruled_out` says what was looked at."""

    subject: str
    hurt: Hurt | None
    causes: tuple[Cause, ...]
    ruled_out: tuple[Cleared, ...]


def explain(evidence: Evidence) -> Verdict:
    since = hurt(evidence)
    found = [rule(evidence, since) for rule in RULES]
    causes = [one for one in found if isinstance(one, Cause)]
    ranked = sorted((_weighed(one, causes) for one in causes), key=lambda one: (-one.score, one.first_sign_unix_s))
    cleared = tuple(one for one in found if isinstance(one, Cleared))
    return Verdict(subject=evidence.subject, hurt=since, causes=tuple(ranked), ruled_out=cleared)


def worst(verdicts: Sequence[Verdict], subject: str) -> Verdict:
    """Of several subjects that stand for one: who is hurt and by what is surest; nobody at all is calm."""
    return max(
        verdicts,
        key=lambda one: (one.hurt is not None and bool(one.causes), one.causes[0].score if one.causes else 0.0,
                         one.hurt is not None, len(one.ruled_out)),
        default=Verdict(subject=subject, hurt=None, causes=(), ruled_out=()),
    )  # fmt: skip


def _weighed(cause: Cause, others: list[Cause]) -> Cause:
    upstream = [
        other
        for other in others
        if other is not cause
        and other.code in cause.follows
        and other.score >= SURE
        and other.first_sign_unix_s <= cause.first_sign_unix_s + 10
    ]
    return msgspec.structs.replace(cause, score=cause.score * EFFECT) if upstream else cause
