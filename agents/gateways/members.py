"""From what HAProxy has to what it should have, as commands of its runtime socket. Pure.

wished, missing    add, check, in              wished, drained     in again
unwished           drain, and once it has no session: out
kept               as it is: of an instance that is not known yet, after a new start of the agent
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from agents.gateways.stats import Server
from engines.base import LOOPBACK
from engines.haproxy import BACKEND, MEMBER, NETWORK, RELAY
from profiles.desired.gateway import MAX_WEIGHT, Gateway, MemberState, Relay


class Replica(NamedTuple):
    """An instance that a gateway may serve, on its port of this node. `takes`: it takes requests now; None where that
    is not known yet."""

    instance: str
    service: str
    port: int
    takes: bool | None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def member(self) -> str:
        """What HAProxy calls it: another port is another member."""
        return f"{self.instance.replace('/', '.')}:{self.port}"


def relay_member(relay: Relay) -> str:
    return f"{relay.instance.replace('/', '.')}:{relay_address(relay)}"


def relay_address(relay: Relay) -> str:
    return f"{relay.host}:{relay.port}"


def instance_of(member: str) -> str:
    service, _, number = member.partition(":")[0].rpartition(".")
    return f"{service}/{number}"


def address_of(member: str) -> str:
    address = member.partition(":")[2]
    return address if ":" in address else f"{LOOPBACK}:{address}"


def weights(gateway: Gateway, replicas: Iterable[Replica]) -> dict[str, int]:
    """Member → its weight in HAProxy: what its service has, shared among the replicas that take requests here and those
    that are planned elsewhere. A service without a weight has no members."""
    serve = {service: weight for service, weight in gateway.serve.items() if weight}
    taking = {one.member: {one.service: 1} for one in replicas if one.takes and one.service in serve}
    taking |= {relay_member(one): one.replicas for one in gateway.relays if one.replicas.keys() & serve.keys()}
    count: Counter[str] = Counter()
    for held in taking.values():
        count.update(held)
    shares = {
        member: sum(serve[service] / count[service] * number for service, number in held.items() if service in serve)
        for member, held in taking.items()
    }
    top = max(shares.values(), default=0.0)
    return {member: max(1, round(share * MAX_WEIGHT / top)) for member, share in shares.items()}


class Wished(NamedTuple):
    """`checked`: it is in once HAProxy's own check finds it well, for one that this agent does not look after."""

    address: str
    weight: int
    checked: bool = False


def wished(gateway: Gateway, replicas: Sequence[Replica]) -> dict[str, Wished]:
    """By member."""
    at = {one.member: (one.address, False) for one in replicas}
    at |= {relay_member(one): (relay_address(one), True) for one in gateway.relays}
    return {member: Wished(at[member][0], weight, at[member][1])
            for member, weight in weights(gateway, replicas).items()}  # fmt: skip


def listening(gateway: Gateway, listens: bool | None, members: Collection[str]) -> list[str]:
    """A relay without members listens no longer, so that whoever asks it is refused and asked elsewhere. That comes one
    look before its last members leave: who was let in before is served."""
    if not gateway.is_relay or listens is None or listens == bool(members):
        return []
    return [f"{'enable' if members else 'disable'} frontend {NETWORK}"]


def commands(found: Mapping[str, Server], wish: Mapping[str, Wished], kept: Collection[str]) -> list[str]:
    """`kept` are the members to leave alone."""
    said: list[str] = []
    for name, wanted in wish.items():
        here, server = f"{BACKEND}/{name}", found.get(name)
        if server is None:
            look = RELAY if wanted.checked else MEMBER
            said += [f"add server {here} {wanted.address} weight {wanted.weight} {look}", f"enable health {here}"]
        elif server.weight != wanted.weight:
            said.append(f"set server {here} weight {wanted.weight}")
        if server is None or server.state is MemberState.DRAINING:
            said.append(f"set server {here} state ready")
        if server is None and wanted.checked:
            said.append(f"set server {here} health down")
    for name, server in found.items():
        if name not in wish and name not in kept:
            said += _out(f"{BACKEND}/{name}", server)
    return said


def _out(here: str, server: Server) -> list[str]:
    if server.withdrawn:
        return [f"del server {here}"]
    if is_out(server) or server.state is MemberState.DOWN:
        return [f"set server {here} state maint", f"del server {here}"]
    return [] if server.state is MemberState.DRAINING else [f"set server {here} state drain"]


def is_out(server: Server) -> bool:
    """Gets nothing new and has nothing under way."""
    return server.state is MemberState.DRAINING and not server.sessions
