"""Somebody else on the GPU works more than before, and the subject gets less of it."""

from msgspec.structs import replace

from profiles.explain.cause import LAG_S, LEAD_S, Cause, Cleared, Code, Finding, timely
from profiles.explain.evidence import Evidence, Tenant
from profiles.explain.hurt import Hurt
from profiles.explain.shift import Shift, shift

LEAST_RATIO = 0.10
FULL_RATIO = 0.85
"""From here on a GPU has nothing left to give to two."""


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    """Without a hurt nobody is a noisy neighbour, however busy."""
    if not evidence.tenants:
        return Cleared(Code.NEIGHBOUR, "nobody else on the GPU")
    found = [cause for tenant in evidence.tenants if (cause := _of(tenant, evidence, hurt))]
    if hurt is None or not found:
        return Cleared(Code.NEIGHBOUR, "neighbours as before")
    return max(found, key=lambda cause: cause.score)


def _of(tenant: Tenant, evidence: Evidence, hurt: Hurt | None) -> Cause | None:
    if hurt is None or tenant.orphan:
        return None
    busier = shift(tenant.busy, LEAST_RATIO)
    busier = busier if busier and busier.up else None
    one = _told_apart(tenant, _onset(tenant, busier, evidence))
    at_unix_s = _began(one, busier, evidence)
    if at_unix_s is None:
        return None
    lost = shift(evidence.own.get("busy_ratio", ()), LEAST_RATIO, 0.15)
    lost = lost if lost and not lost.up else None
    code = Code.NEIGHBOUR_FOREIGN if tenant.foreign else Code.NEIGHBOUR
    score = _score(busier, lost, evidence) * timely(at_unix_s, hurt)
    return Cause(
        code=code, who=one.name, owner=one.owner, pid=one.pid, first_sign_unix_s=at_unix_s,
        text=f"{one.name} ({one.owner or 'unknown'}) {'took' if one.foreign else 'takes more of'} the GPU",
        numbers=_numbers(one, busier, lost, evidence), score=score,
    )  # fmt: skip


def _onset(tenant: Tenant, busier: Shift | None, evidence: Evidence) -> float | None:
    """When it began to work more; where that is not told, to hold more."""
    grown = busier or (shift(tenant.memory_mib, 1024) if evidence.blind else None)
    return evidence.axis.at(grown.step) if grown and grown.up else None


def _told_apart(tenant: Tenant, onset_unix_s: float | None) -> Tenant:
    """Of several that are remembered as one: who came at the onset, else who computes most now."""
    if not tenant.parts:
        return tenant
    came = [
        (abs(part.since_unix_s - onset_unix_s), part)
        for part in tenant.parts
        if onset_unix_s is not None and part.since_unix_s is not None
        and onset_unix_s - LEAD_S <= part.since_unix_s <= onset_unix_s + LAG_S
    ]  # fmt: skip
    most = max(tenant.parts, key=lambda part: (_last(part.busy), _last(part.memory_mib)))
    one = min(came, key=lambda pair: pair[0])[1] if came else most
    return replace(one, busy=tenant.busy, memory_mib=tenant.memory_mib, parts=tenant.parts)


def _began(tenant: Tenant, busier: Shift | None, evidence: Evidence) -> float | None:
    """When it came, where that is on the axis; else its onset."""
    began = evidence.axis.at(busier.step) if busier else None
    came = tenant.since_unix_s
    if came is not None and evidence.axis.step(came) >= 0 and (began is None or came >= began - LAG_S):
        return came
    return _onset(tenant, busier, evidence)


def _score(busier: Shift | None, lost: Shift | None, evidence: Evidence) -> float:
    if busier is None:
        return 0.5  # it is there, and what it does is not told
    full = shift(evidence.gpu.get("busy_ratio", ()), 0.02)
    level = max(full.after if full else 0.0, _last(evidence.gpu.get("busy_ratio", ())))
    if lost:
        return 0.95
    return 0.8 if level >= FULL_RATIO else 0.6


def _last(track: tuple[float | None, ...]) -> float:
    return next((value for value in reversed(track) if value is not None), 0.0)


def _numbers(tenant: Tenant, busier: Shift | None, lost: Shift | None, evidence: Evidence) -> tuple[str, ...]:
    said = []
    if busier:
        said.append(f"its SM share {busier.before:.0%} → {busier.after:.0%}")
    if lost:
        said.append(f"SM share of {evidence.subject} {lost.before:.0%} → {lost.after:.0%}")
    if len(tenant.parts) > 1:
        said.append(f"one of {len(tenant.parts)} on the GPU that gpuyard did not start")
    if evidence.blind:
        said.append(f"shares are not known: {evidence.blind}")
    return tuple(said)
