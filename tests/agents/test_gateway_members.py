"""What HAProxy is told, from what it has and what it should have."""

from agents.gateways import stats
from agents.gateways.doors import Doors
from agents.gateways.members import Replica, Wished, commands, listening, weights, wished
from agents.gateways.rates import Rates
from agents.gateways.stats import Server, Stats
from profiles.desired.gateway import Gateway, MemberState, Relay

HERE = Wished("127.0.0.1:1", 256)


def replica(name: str, takes: bool | None = True) -> Replica:
    return Replica(name, name.partition("/")[0], 8000 + int(name.partition("/")[2]), takes)


def server(name: str, state: MemberState = MemberState.UP, *, withdrawn: bool = False, sessions: int = 0,
           requests: int = 0, failed: int = 0) -> Server:  # fmt: skip
    return Server(name, state, withdrawn, 256, sessions, requests, failed, 3, 9)


def test_a_weight_is_of_the_service_whatever_the_number_of_its_replicas() -> None:
    serve = Gateway(serve={"chat": 90, "next": 10})
    found = weights(serve, [replica("chat/0"), replica("chat/1"), replica("chat/2"), replica("next/0")])
    assert found == {"chat.0:8000": 256, "chat.1:8001": 256, "chat.2:8002": 256, "next.0:8000": 85}
    assert weights(serve, [replica("chat/0"), replica("next/0", takes=False)]) == {"chat.0:8000": 256}
    assert weights(Gateway(serve={"chat": 0, "next": 1}), [replica("chat/0"), replica("next/0")]) == {
        "next.0:8000": 256
    }
    assert weights(Gateway(serve={"chat": 256, "next": 1}), [replica("next/0"), replica("chat/0")])["next.0:8000"] == 1


def test_whoever_leaves_is_drained_then_withdrawn_then_removed() -> None:
    def told(one: Server) -> list[str]:
        return commands({one.name: one}, {}, ())

    assert told(server("a.0:1", sessions=2)) == ["set server members/a.0:1 state drain"]
    assert told(server("a.0:1", MemberState.DRAINING, sessions=2)) == []
    out = ["set server members/a.0:1 state maint", "del server members/a.0:1"]
    assert told(server("a.0:1", MemberState.DRAINING)) == out
    assert told(server("a.0:1", MemberState.DOWN, sessions=2)) == out
    assert told(server("a.0:1", MemberState.DRAINING, withdrawn=True)) == out[1:]
    assert commands({"a.0:1": server("a.0:1")}, {}, {"a.0:1"}) == [], "not known yet: left alone"


def test_whoever_is_wished_is_added_and_let_in_again() -> None:
    added = commands({}, {"a.0:1": HERE}, ())
    assert [line.split()[0] for line in added] == ["add", "enable", "set"]
    assert commands({"a.0:1": server("a.0:1")}, {"a.0:1": HERE}, ()) == []
    assert commands({"a.0:1": server("a.0:1")}, {"a.0:1": Wished("127.0.0.1:1", 9)}, ()) == [
        "set server members/a.0:1 weight 9"
    ]
    again = commands({"a.0:1": server("a.0:1", MemberState.DRAINING)}, {"a.0:1": HERE}, ())
    assert again == ["set server members/a.0:1 state ready"]


def test_a_page_that_is_cut_off_or_foreign_gives_what_is_in_it() -> None:
    page = (
        "# pxname,svname,scur,stot,status,uweight,hrsp_5xx,req_tot,intercepted,rtime,ttime,\n"
        "local,FRONTEND,1,9,OPEN,,2,12,4,,,\nmembers,a.0:1,3,7,UP 1/2,10,1,,,5,8,\n"
        "members,b.0:2,0,0,MAINT,10,,,,,,\nmembers,BACKEND,3,7,UP,10,1,7,,,,\n"
    )
    found = stats.read(page)
    assert (found.requests, found.failed, list(found.servers)) == (8, 2, ["a.0:1", "b.0:2"])
    assert found.servers["a.0:1"][1:7] == (MemberState.UP, False, 10, 3, 7, 1)
    assert found.servers["b.0:2"].withdrawn
    for at in range(len(page)):
        stats.read(page[:at])
    assert stats.read("nonsense") == Stats(0, 0, {})


def test_rates_are_of_at_least_two_seconds() -> None:
    rates = Rates()
    assert rates.reading(Stats(10, 0, {}), 0.0).requests_per_s is None
    one = {"a.0:1": server("a.0:1", requests=40, failed=4)}
    assert rates.reading(Stats(20, 0, one), 1.0).requests_per_s is None
    read = rates.reading(Stats(50, 8, one), 4.0)
    assert (read.requests_per_s, read.failed_per_s) == (10.0, 2.0)
    assert read.members[0].requests_per_s == 10.0, "it joined meanwhile"
    assert rates.reading(Stats(90, 8, one), 4.2).requests_per_s == 10.0


def test_whoever_was_let_in_is_inside_until_the_gateway_says_otherwise() -> None:
    doors = Doors()
    assert doors.inside("chat/0") is None
    doors.let_in("front/0", ["chat/0"])
    doors.let_in("side/0", ["chat/0"])
    doors.saw("front/0", {"chat/0": 3})
    reason = doors.inside("chat/0")
    assert reason
    assert reason.text == "leaves gateway front, side: 3 sessions under way"
    doors.saw("front/0", {})
    assert doors.inside("chat/0")
    doors.closed(["front/0"])
    assert doors.inside("chat/0") is None
    doors.awaited.add("front/0")
    assert doors.inside("chat/0"), "an agent that is new does not know yet"
    doors.saw("front/0", {})
    assert doors.inside("chat/0") is None


def test_a_relay_counts_for_its_replicas_and_is_in_once_a_check_passes() -> None:
    relay = Relay(instance="front/1", host="10.0.0.5", port=8000, replicas={"chat": 3})
    gateway = Gateway(serve={"chat": 90, "next": 10}, relays=(relay,))
    wish = wished(gateway, [replica("chat/0"), replica("next/0")])
    assert wish == {
        "chat.0:8000": Wished("127.0.0.1:8000", 85),
        "next.0:8000": Wished("127.0.0.1:8000", 38),
        "front.1:10.0.0.5:8000": Wished("10.0.0.5:8000", 256, checked=True),
    }
    told = commands({}, {"front.1:10.0.0.5:8000": wish["front.1:10.0.0.5:8000"]}, ())
    assert told[-1] == "set server members/front.1:10.0.0.5:8000 health down"


def test_a_relay_listens_for_other_machines_while_it_has_a_member() -> None:
    relay = Gateway(serve={"chat": 1}, is_relay=True)
    assert listening(relay, True, {}) == ["disable frontend network"]
    assert listening(relay, False, {"a.0:1": HERE}) == ["enable frontend network"]
    assert listening(relay, True, {"a.0:1": HERE}) == listening(relay, False, {}) == []
    assert listening(Gateway(serve={"chat": 1}), True, {}) == [], "a client is told 503"
