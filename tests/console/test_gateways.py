"""What a gateway tells, on its own page and on those of the services that it serves."""

from msgspec.structs import replace

from console.render.fit import Line
from console.render.instance import instance_lines
from console.render.service import service_lines
from console.render.traffic import of_nodes
from console.store import Key, Kind, Store
from profiles.desired.gateway import GatewayReading, MemberReading, MemberState
from profiles.observed.status import EngineReading, InstanceStatus, Phase
from tests.console.peer import instance, snapshot


def member(name: str, state: MemberState = MemberState.UP) -> MemberReading:
    return MemberReading(
        instance=name, address="127.0.0.1:9000", state=state, weight=256, sessions=3, requests=700, failed=2,
        requests_per_s=12.5, failed_per_s=0.0, first_byte_ms=23, total_ms=412,
    )  # fmt: skip


def front(*members: MemberReading) -> InstanceStatus:
    reading = EngineReading(at_unix_s=1.0, requests_per_s=12.5, failed_per_s=0.0)
    gateway = GatewayReading(members=members, requests_per_s=12.5, failed_per_s=0.0)
    status = replace(instance("front/0", Phase.READY), engine="haproxy", model="", port=8000)
    return replace(status, reading=reading, gateway=gateway)


def stored(*statuses: InstanceStatus) -> Store:
    store = Store()
    store.add_node("n")
    store.receive("n", snapshot(*statuses))
    return store


def text(lines: list[Line]) -> list[str]:
    return ["".join(span for span, _ in line).rstrip() for line in lines]


CHAT = instance("chat/0", Phase.READY)


def test_the_page_of_a_gateway_lists_its_members() -> None:
    store = stored(front(member("chat/0"), member("chat/1", MemberState.DRAINING)), CHAT)
    page = text(instance_lines(store, Key(Kind.INSTANCE, "n", "front/0"), 120))
    first = " Members       chat/0          up         share 100%  req/s  12.5  5xx/s  0.0"
    assert f"{first}  running   3  first  23 ms  whole 412 ms" in page
    narrow = text(instance_lines(store, Key(Kind.INSTANCE, "n", "front/0"), 85))
    assert first in narrow, "what does not fit is left out whole"
    assert any(line.startswith("               chat/1          draining") for line in page)


def test_a_gateway_that_has_nobody_says_what_its_clients_get() -> None:
    page = text(instance_lines(stored(front()), Key(Kind.INSTANCE, "n", "front/0"), 120))
    assert " Members       none is ready: whoever asks gets 503" in page


def test_a_service_names_the_gateways_before_it_and_how_its_own_replicas_do_there() -> None:
    store = stored(front(member("chat/0"), member("next/0")), CHAT)
    page = text(service_lines(store, Key(Kind.SERVICE, "", "p:chat"), 120))
    assert " Gateway       front/0   n:8000   ready" in page
    assert any("chat/0          up" in line for line in page)
    assert not any("next/0" in line for line in page)


def test_a_request_is_counted_where_it_is_served() -> None:
    reading = EngineReading(at_unix_s=1.0, requests_per_s=12.0, failed_per_s=0.5)
    store = stored(front(member("chat/0")), replace(CHAT, reading=reading))
    assert of_nodes(store.nodes.values()).requests_per_s == 12.0
