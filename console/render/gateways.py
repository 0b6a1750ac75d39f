"""What gateways tell of the replicas behind them: on the page of a gateway, and on those of the services it serves."""

from collections.abc import Iterator

from console.render.entries import LABEL, entry
from console.render.fit import Line, whole
from console.render.table import Tone
from console.render.text import UNKNOWN, latency, number, percent, rate
from console.store import Key, Store
from profiles.desired.gateway import GatewayReading, MemberReading, MemberState
from profiles.observed.status import InstanceStatus

_TONES = {MemberState.UP: Tone.PLAIN, MemberState.DRAINING: Tone.WARN, MemberState.DOWN: Tone.BAD}


def member_lines(gateway: GatewayReading, width: int) -> list[Line]:
    """All that it sends requests to."""
    if not gateway.members:
        return [entry("Members", "none is ready: whoever asks gets 503", Tone.WARN)]
    total = _total(gateway)
    return [_member(one, total, width, "Members" if at == 0 else "") for at, one in enumerate(gateway.members)]


def served_lines(store: Store, key: Key, width: int) -> list[Line]:
    """The gateways before a service, each with those of its members that are replicas of it."""
    names = {one.name for one in store.members(key)}
    lines: list[Line] = []
    for node, status, gateway in _gateways(store):
        members = [one for one in gateway.members if one.instance in names]
        if members and status.profile in _profiles(store, key):
            at = f"{node}:{status.port or UNKNOWN}"
            lines.append(entry("Gateway", f"{status.name}   {at}   {status.phase}"))
            lines += [_member(one, _total(gateway), width) for one in members]
    return [*lines, ()] if lines else []


def _gateways(store: Store) -> Iterator[tuple[str, InstanceStatus, GatewayReading]]:
    for view in store.nodes.values():
        if view.counted:
            yield from ((view.name, one, one.gateway) for one in view.instances.values() if one.gateway is not None)


def _profiles(store: Store, key: Key) -> set[str]:
    return {store.nodes[one.node].instances[one.name].profile for one in store.members(key)}


def _member(one: MemberReading, total: int, width: int, label: str = "") -> Line:
    """As many of its figures as fit, the most telling first."""
    share = one.weight / total if total and one.state is MemberState.UP else 0.0
    figures = (
        f"share {percent(share):>4}",
        f"req/s {rate(one.requests_per_s):>5}",
        f"5xx/s {rate(one.failed_per_s):>4}",
        f"running {number(one.sessions):>3}",
        f"first {latency(_seconds(one.first_byte_ms)):>6}",
        f"whole {latency(_seconds(one.total_ms)):>6}",
    )
    line = (
        (f" {label:<{LABEL}}", Tone.DIM),
        (f"{one.instance:<16}", Tone.PLAIN),
        (f"{one.state:<9}", _TONES[one.state]),
        *((f"  {figure}", Tone.PLAIN) for figure in figures),
    )
    return whole(line, width)


def _total(gateway: GatewayReading) -> int:
    return sum(one.weight for one in gateway.members if one.state is MemberState.UP)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1e3
