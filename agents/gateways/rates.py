"""What a gateway did lately, from the difference of two looks at its counters."""

from collections.abc import Callable

from agents.gateways.members import address_of, instance_of
from agents.gateways.stats import Server, Stats
from profiles.desired.gateway import GatewayReading, MemberReading

WINDOW_S = 2.0
"""The least between the two."""

Counter = Callable[[Stats | Server], int]


class Rates:
    """Of one incarnation. Looks closer together than the window tell the rates of the last whole one again."""

    def __init__(self) -> None:
        self._before: tuple[float, Stats] | None = None
        self._counted: tuple[float, Stats, Stats] | None = None

    def reading(self, now: Stats, now_s: float) -> GatewayReading:
        if self._before is None:
            self._before = now_s, now
        elif now_s - self._before[0] >= WINDOW_S:
            self._counted = now_s - self._before[0], self._before[1], now
            self._before = now_s, now
        return GatewayReading(
            members=tuple(self._member(one) for one in sorted(now.servers.values()) if not one.withdrawn),
            requests_per_s=self._total(_requests),
            failed_per_s=self._total(_failed),
        )

    def _member(self, one: Server) -> MemberReading:
        return MemberReading(
            instance=instance_of(one.name),
            address=address_of(one.name),
            state=one.state,
            weight=one.weight,
            sessions=one.sessions,
            requests=one.requests,
            failed=one.failed,
            requests_per_s=self._of(one.name, _requests),
            failed_per_s=self._of(one.name, _failed),
            first_byte_ms=one.first_byte_ms if one.requests else None,
            total_ms=one.total_ms if one.requests else None,
        )

    def _total(self, counter: Counter) -> float | None:
        if self._counted is None:
            return None
        took_s, before, after = self._counted
        return max(0, counter(after) - counter(before)) / took_s

    def _of(self, member: str, counter: Counter) -> float | None:
        """A member that joined within the window counts from then."""
        if self._counted is None or member not in self._counted[2].servers:
            return None
        took_s, before, after = self._counted
        was = counter(before.servers[member]) if member in before.servers else 0
        return max(0, counter(after.servers[member]) - was) / took_s


def _requests(one: Stats | Server) -> int:
    return one.requests


def _failed(one: Stats | Server) -> int:
    return one.failed
