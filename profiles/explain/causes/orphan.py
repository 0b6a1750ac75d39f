"""What an engine left behind holds memory that nobody gets back."""

from profiles.explain.cause import Cause, Cleared, Code, Finding
from profiles.explain.evidence import Evidence
from profiles.explain.hurt import Hurt


def look(evidence: Evidence, hurt: Hurt | None) -> Finding:
    left = [tenant for tenant in evidence.tenants if tenant.orphan]
    if not left:
        return Cleared(Code.ORPHAN, "nothing left behind")
    held = {tenant.name: _last(tenant.memory_mib) for tenant in left}
    largest = max(left, key=lambda tenant: held[tenant.name])
    since = min((one.since_unix_s for one in left if one.since_unix_s is not None), default=evidence.axis.at(0))
    return Cause(
        code=Code.ORPHAN, who=largest.name, owner=largest.owner, pid=largest.pid, first_sign_unix_s=since,
        text=f"{largest.name} was left behind and holds memory",
        numbers=(f"{sum(held.values()):,.0f} MiB",), score=0.85 if sum(held.values()) >= 256 else 0.5,
    )  # fmt: skip


def _last(track: tuple[float | None, ...]) -> float:
    return next((value for value in reversed(track) if value is not None), 0.0)
