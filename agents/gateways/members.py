"""From what HAProxy has to what it should have, as commands of its runtime socket. Pure.

wished, missing    add, check, in              wished, drained     in again
unwished           drain, and once it has no session: out
kept               as it is: of an instance that is not known yet, after a new start of the agent
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from agents.gateways.stats import Server
from engines.haproxy import BACKEND, MEMBER
from profiles.gateway import MAX_WEIGHT, MemberState


class Replica(NamedTuple):
    """An instance that a gateway may serve, on its port of this node. `takes`: it takes requests now; None where that
    is not known yet."""

    instance: str
    service: str
    port: int
    takes: bool | None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def member(self) -> str:
        """What HAProxy calls it: another port is another member."""
        return f"{self.instance.replace('/', '.')}:{self.port}"


def instance_of(member: str) -> str:
    service, _, number = member.partition(":")[0].rpartition(".")
    return f"{service}/{number}"


def weights(serve: Mapping[str, int], replicas: Iterable[Replica]) -> dict[str, int]:
    """Member → its weight in HAProxy: what its service has, shared among the replicas that take requests. A service
    without a weight has no members."""
    taking = [one for one in replicas if one.takes and serve.get(one.service)]
    count = Counter(one.service for one in taking)
    each = {service: serve[service] / count[service] for service in count}
    top = max(each.values(), default=0.0)
    return {one.member: max(1, round(each[one.service] * MAX_WEIGHT / top)) for one in taking}


def commands(
    found: Mapping[str, Server], wished: Mapping[str, int], at: Mapping[str, str], kept: Collection[str]
) -> list[str]:
    """`wished` are weights by member, `at` their addresses, `kept` the members to leave alone."""
    said: list[str] = []
    for name, weight in wished.items():
        here, server = f"{BACKEND}/{name}", found.get(name)
        if server is None:
            said += [f"add server {here} {at[name]} weight {weight} {MEMBER}", f"enable health {here}"]
        elif server.weight != weight:
            said.append(f"set server {here} weight {weight}")
        if server is None or server.state is MemberState.DRAINING:
            said.append(f"set server {here} state ready")
    for name, server in found.items():
        if name in wished or name in kept:
            continue
        here = f"{BACKEND}/{name}"
        if server.withdrawn:
            said.append(f"del server {here}")
        elif is_out(server) or server.state is MemberState.DOWN:
            said += [f"set server {here} state maint", f"del server {here}"]
        elif server.state is not MemberState.DRAINING:
            said.append(f"set server {here} state drain")
    return said


def is_out(server: Server) -> bool:
    """Gets nothing new and has nothing under way."""
    return server.state is MemberState.DRAINING and not server.sessions
