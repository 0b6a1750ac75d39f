"""Gateways: one address before the replicas of services, as people write it, as a node runs it, as it is seen.

    gateway: {chat: {node: fra-1, port: 8000, serve: {chat-70b: 95, chat-next: 5}}}

A gateway is an instance of its profile whose engine is HAProxy, so it is planned, undone and pruned as the others
are. A weight is a service's share of the requests, whatever the number of its replicas: a canary is a second
service with a small one.
"""

from enum import StrEnum

import msgspec

ENGINE = "haproxy"
MAX_WEIGHT = 256


class GatewayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`serve`: service of the same profile → weight; 0 gives it no new requests. `bind` true listens beside loopback at
    the address that the node's admin approved."""

    node: str
    port: int
    serve: dict[str, int]
    bind: bool = False


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway of another node, before the replicas there. `replicas` counts them by service, as planned."""

    instance: str
    host: str
    port: int
    replicas: dict[str, int]


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """What makes an instance a gateway. All of it is changed live. Its members are the replicas of its profile on the
    same node, which its agent lets join when they are ready and out before they stop, and the relays of other nodes."""

    serve: dict[str, int]
    relays: tuple[Relay, ...] = ()
    is_relay: bool = False
    """Asked by another gateway alone, which asks elsewhere while nobody listens: it listens while it has a member."""


class MemberState(StrEnum):
    UP = "up"
    DOWN = "down"
    """HAProxy's own checks find it so."""
    DRAINING = "draining"
    """Gets no new requests; those that it has finish."""


class MemberReading(msgspec.Struct, frozen=True, kw_only=True):
    """One replica behind a gateway. Counters count since it joined, times are means of its last 1,024 requests."""

    instance: str
    address: str
    state: MemberState
    weight: int
    sessions: int
    """Requests under way."""
    requests: int
    failed: int
    """Answered with 5xx, by the replica or for it."""
    requests_per_s: float | None = None
    failed_per_s: float | None = None
    first_byte_ms: int | None = None
    total_ms: int | None = None


class GatewayReading(msgspec.Struct, frozen=True, kw_only=True):
    """What clients had of a gateway; None in its rates before the second look."""

    members: tuple[MemberReading, ...] = ()
    requests_per_s: float | None = None
    failed_per_s: float | None = None
    """5xx, those for want of a replica among them."""
