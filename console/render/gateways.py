"""What gateways tell of the replicas behind them: on the page of a gateway, and on those of the services it serves."""

from collections.abc import Iterator

from console.render.entries import LABEL, entry
from console.render.fit import Line
from console.render.table import Tone
from console.render.text import UNKNOWN, latency, number, rate
from console.store import Key, Store
from profiles.gateway import GatewayReading, MemberReading, MemberState
from profiles.status import InstanceStatus

_TONES = {MemberState.UP: Tone.PLAIN, MemberState.DRAINING: Tone.WARN, MemberState.DOWN: Tone.BAD}


def member_lines(gateway: GatewayReading) -> list[Line]:
    """All that it sends requests to."""
    if not gateway.members:
        return [entry("Members", "none is ready: whoever asks gets 503", Tone.WARN)]
    return [_member(one, "Members" if at == 0 else "") for at, one in enumerate(gateway.members)]


def served_lines(store: Store, key: Key) -> list[Line]:
    """The gateways before a service, each with those of its members that are replicas of it."""
    names = {one.name for one in store.members(key)}
    lines: list[Line] = []
    for node, status in _gateways(store):
        members = [one for one in status.gateway.members if one.instance in names] if status.gateway else []
        if members and status.profile in _profiles(store, key):
            at = f"{node}:{status.port or UNKNOWN}"
            lines.append(entry("Gateway", f"{status.name}   {at}   {status.phase}"))
            lines += [_member(one) for one in members]
    return [*lines, ()] if lines else []


def _gateways(store: Store) -> Iterator[tuple[str, InstanceStatus]]:
    for view in store.nodes.values():
        if view.counted:
            yield from ((view.name, one) for one in view.instances.values() if one.gateway is not None)


def _profiles(store: Store, key: Key) -> set[str]:
    return {store.nodes[one.node].instances[one.name].profile for one in store.members(key)}


def _member(one: MemberReading, label: str = "") -> Line:
    first = latency(None if one.first_byte_ms is None else one.first_byte_ms / 1e3)
    last = latency(None if one.total_ms is None else one.total_ms / 1e3)
    figures = (
        f"weight {one.weight:>3}   sessions {number(one.sessions):>3}   requests/s {rate(one.requests_per_s):>5}"
        f"   5xx/s {rate(one.failed_per_s):>4}   first byte {first:>6}   whole {last:>6}"
    )
    return (
        (f" {label:<{LABEL}}", Tone.DIM),
        (f"{one.instance:<16}", Tone.PLAIN),
        (f"{one.state:<10}", _TONES[one.state]),
        (figures, Tone.PLAIN),
    )
