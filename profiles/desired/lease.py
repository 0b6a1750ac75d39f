"""For how long a service may run until somebody says again that it should. Pure.

    lease: 30d ──► InstanceSpec.lease_s ──begun, by the node's clock──► DesiredInstance.lease_ends_at_unix_s
                                                    │
        runs ─── the last tenth, at most 3 days ──► ends soon ──► over

Nothing stops by itself: a warning is told, then that it is over, and taking it off the nodes is a plan like any other.
Applying the profile renews what ends soon or is over (profiles.plans.renewal); an edit of anything else leaves the
end be.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance
from profiles.text.units import duration_s

LEAST_S = 60.0
WARNS_AT_MOST_S = 3 * 86400.0
WARNS_RATIO = 0.1

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


class BadLease(ValueError):
    """No time that anything could be leased for."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class LeaseState(StrEnum):
    RUNS = "runs"
    ENDS_SOON = "ends soon"
    OVER = "over"


def lease_s(text: str) -> float:
    """Raises BadLease."""
    found = duration_s(text)
    if not found:
        raise BadLease(f"`{text}` is no duration", "a number and m, h or d: `30d`")
    if found < LEAST_S:
        raise BadLease(f"a lease of {text} is over before an engine is up", "at least 1m; left out, it never ends")
    return found


def warns_s(lease: float) -> float:
    """How long before its end it is warned of."""
    return min(WARNS_AT_MOST_S, lease * WARNS_RATIO)


def state(owned: DesiredInstance, now_unix_s: float) -> LeaseState | None:
    """None without a lease. `now_unix_s` is of the node's clock, here and below."""
    ends, lease = owned.lease_ends_at_unix_s, owned.spec.lease_s
    if ends is None or lease is None:
        return None
    left = ends - now_unix_s
    return LeaseState.OVER if left <= 0 else LeaseState.ENDS_SOON if left <= warns_s(lease) else LeaseState.RUNS


def in_words(owned: DesiredInstance, now_unix_s: float) -> str:
    """`lease ends in 2 d`, `lease over for 3 h`; "" without one."""
    found, ends = state(owned, now_unix_s), owned.lease_ends_at_unix_s
    if found is None or ends is None:
        return ""
    return f"lease over for {_span(now_unix_s - ends)}" if found is LeaseState.OVER else (
        f"lease ends in {_span(ends - now_unix_s)}"
    )  # fmt: skip


def begun(
    new: Mapping[str, DesiredInstance], old: Mapping[str, DesiredInstance], now_unix_s: float
) -> dict[str, DesiredInstance]:
    """`new` with the end of each lease: as it was, or from now on where it is new, of another length or renewed.

    What comes from another node, or back by an undo, brings its end along.
    """
    return {name: _begun(owned, old.get(name), now_unix_s) for name, owned in new.items()}


def expired(desired: Mapping[str, Desired], now_unix_s: Mapping[str, float]) -> dict[str, set[tuple[str, str]]]:
    """Profile → the (node, instance) pairs of it whose lease is over."""
    found: dict[str, set[tuple[str, str]]] = {}
    for node, document in desired.items():
        for name, owned in document.instances.items():
            if node in now_unix_s and state(owned, now_unix_s[node]) is LeaseState.OVER:
                found.setdefault(owned.profile, set()).add((node, name))
    return found


def _begun(owned: DesiredInstance, before: DesiredInstance | None, now_unix_s: float) -> DesiredInstance:
    lease, ends = owned.spec.lease_s, None
    if lease is not None and not owned.renews_lease:
        from_before = before if before and before.profile == owned.profile else owned
        ends = from_before.lease_ends_at_unix_s if from_before.spec.lease_s == lease else None
    if lease is not None and ends is None:
        ends = now_unix_s + lease
    return replace(owned, lease_ends_at_unix_s=ends, renews_lease=False)


def _span(seconds: float) -> str:
    """In the largest unit of which there are two."""
    if seconds < 60.0:
        return "less than 1 min"
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"
