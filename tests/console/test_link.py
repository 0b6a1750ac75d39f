"""One link against a played agent: greeting, telemetry, requests, loss, refusals, reconnecting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from agents import wire
from console.remote import session as sessions
from console.remote.errors import HostKeyUnknown, LinkRefused, Lost, NodeUnreachable, RequestFailed
from console.remote.hostkeys import UnknownKey
from console.remote.link import DELAY_AT_MOST_S, Link, delay_s
from console.remote.stream import Ending
from console.store import NodeState, Store
from profiles.observed.status import Event, EventKind, Phase, Reason, Role
from tests.console.peer import Line, Peer, instance, snapshot, until

SET = wire.SetDesired(expected_generation=0, instances={}, author="", reason="test")


class Dying(Peer):
    """Ends after its preamble and perhaps some bytes of its Hello, with a line on stderr."""

    def __init__(self, first: bytes = b"") -> None:
        super().__init__(ending=Ending(1, "Killed\n"))
        self.say_bytes(first)
        self.end()


@asynccontextmanager
async def linked(*peers: Peer | Exception, telemetry: bool = True) -> AsyncIterator[tuple[Link, Store, Line]]:
    store = Store()
    store.add_node("n")
    line = Line(*peers)
    link = Link("n", store, line, wire.Hello(version="t", author="ana", telemetry=telemetry))
    task = asyncio.create_task(link.run())
    try:
        yield link, store, line
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def code_of(store: Store) -> str:
    why = store.nodes["n"].why
    return why.code if why else ""


def answering(body: wire.DesiredSet | wire.LogPiece) -> Peer:
    return Peer(answer=lambda request: wire.Reply(id=request.id, body=body))


async def test_a_snapshot_brings_the_node_up():
    peer = Peer()
    async with linked(peer) as (_, store, _):
        peer.say(snapshot(instance("chat/0", Phase.READY)))
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        view = store.nodes["n"]
        assert (view.role, view.way) == (Role.OPERATOR, "test")
        assert view.instances["chat/0"].phase is Phase.READY
        peer.say(wire.Delta(at_unix_s=1001.0))
        await until(lambda: view.round_trip_s is not None)
        hello = peer.said[0]
        assert isinstance(hello, wire.Hello)
        assert (hello.author, hello.telemetry, hello.last_event_seq) == ("ana", True, None)


async def test_noise_before_the_preamble_and_cuts_anywhere_do_no_harm():
    peer = Peer(first=b"Welcome!\ngpuya")
    async with linked(peer) as (_, store, _):
        for byte in b"rd/1 0123abcd\n":
            peer.say_bytes(bytes([byte]))
        peer.say(snapshot())
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        assert store.nodes["n"].why is None


@pytest.mark.parametrize(
    ("peer", "state", "code"),
    [
        (lambda: Peer(first=b"gpuyard/9 ab\n"), NodeState.REFUSED, "protocol"),
        (lambda: Peer(hello=wire.Hello(protocol_min=2, protocol_max=3)), NodeState.REFUSED, "protocol"),
        (lambda: Peer(hello=wire.Ping(number=1)), NodeState.REFUSED, "protocol"),
        (lambda: Peer(hello=wire.Failure(code="denied", message="no")), NodeState.REFUSED, "denied"),
        (lambda: Peer(hello=wire.Failure(code="busy", message="later")), NodeState.UNREACHABLE, "busy"),
        (lambda: Peer(first=b"", ending=Ending(127, "sh: not found\n")), NodeState.REFUSED, "no_agent"),
        (lambda: Peer(first=b"", ending=Ending(1, "no rights\n")), NodeState.REFUSED, "no_agent"),
        (lambda: Peer(first=b""), NodeState.UNREACHABLE, "lost"),
        (lambda: Dying(), NodeState.UNREACHABLE, "lost"),
        (lambda: Dying(b"\0\0"), NodeState.UNREACHABLE, "lost"),
        (lambda: LinkRefused(Reason("auth_failed", "no")), NodeState.REFUSED, "auth_failed"),
        (lambda: Lost(Reason("refused", "no")), NodeState.UNREACHABLE, "refused"),
    ],
)
async def test_what_ends_a_link_and_whether_it_is_tried_again(peer, state, code):
    async with linked(peer()) as (_, store, line):
        await until(lambda: store.nodes["n"].why is not None)
        assert (store.nodes["n"].state, code_of(store)) == (state, code)
        if state is NodeState.UNREACHABLE:
            await until(lambda: len(line.sockets) == 2)
        else:
            await asyncio.sleep(0.02)
            assert len(line.sockets) == 1


async def test_a_refused_link_is_tried_again_when_a_person_asks():
    peer = Peer()
    async with linked(LinkRefused(Reason("auth_failed", "no")), peer) as (link, store, _):
        await until(lambda: store.nodes["n"].state is NodeState.REFUSED)
        peer.say(snapshot())
        link.retry()
        await until(lambda: store.nodes["n"].state is NodeState.UP)


async def test_an_unknown_key_is_kept_until_it_is_known():
    key = UnknownKey(host="h", port=22, algorithm="ssh-ed25519", fingerprint="SHA256:x", key="AAAA")
    peer = Peer()
    async with linked(HostKeyUnknown(Reason("host_key_unknown", "who?"), key), peer) as (link, store, _):
        await until(lambda: link.unknown_key == key)
        peer.say(snapshot())
        link.retry()
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        assert link.unknown_key is None


async def test_after_the_end_it_reconnects_at_once_where_the_socket_was_and_asks_for_later_events():
    first, second = Peer(), Peer()
    async with linked(first, second) as (_, store, line):
        first.say(snapshot(), wire.Happened(events=(Event(seq=41, at_unix_s=1.0, kind=EventKind.AGENT, text="x"),)))
        await until(lambda: bool(store.nodes["n"].events))
        first.end()
        second.say(snapshot())
        await until(lambda: bool(second.said))
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        assert line.sockets == ["", "/run/x.sock"]
        hello = second.said[0]
        assert isinstance(hello, wire.Hello)
        assert hello.last_event_seq == 41
        assert line.closed == 1


async def test_a_request_is_answered():
    peer = answering(wire.DesiredSet(generation=4))
    async with linked(peer) as (link, store, _):
        peer.say(snapshot())
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        assert await link.request(SET, wire.DesiredSet, 5.0, False) == wire.DesiredSet(generation=4)


async def test_a_refusal_names_the_node():
    peer = Peer(answer=lambda request: wire.Failure(id=request.id, code="stale", message="moved", hint="again"))
    async with linked(peer) as (link, store, _):
        peer.say(snapshot())
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        with pytest.raises(RequestFailed) as failed:
            await link.request(SET, wire.DesiredSet, 5.0, False)
        assert (failed.value.reason, failed.value.node) == (Reason("stale", "moved", "again"), "n")
        assert not isinstance(failed.value, NodeUnreachable)


async def test_a_request_without_an_answer_times_out(monkeypatch):
    monkeypatch.setattr(sessions, "ANSWER_GRACE_S", 0.0)
    peer = Peer()
    async with linked(peer) as (link, store, _):
        peer.say(snapshot())
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        with pytest.raises(RequestFailed) as failed:
            await link.request(SET, wire.DesiredSet, 0.02, False)
        assert failed.value.reason.code == "timeout"


async def test_requests_in_flight_fail_when_the_link_ends():
    peer = Peer()
    async with linked(peer) as (link, store, _):
        peer.say(snapshot())
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        asked = [asyncio.create_task(link.request(SET, wire.DesiredSet, 30.0, False)) for _ in range(3)]
        await until(lambda: sum(isinstance(frame, wire.Request) for frame in peer.said) == 3)
        peer.broken = ConnectionResetError("reset")
        peer.say_bytes(b"x")
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(result, NodeUnreachable) for result in results)


async def test_a_busy_node_is_asked_again_when_it_says():
    answers: list[wire.AnyFrame] = [
        wire.Failure(id=1, code="busy", message="slower", retry_after_s=0.01),
        wire.Reply(id=2, body=wire.DesiredSet(generation=4)),
    ]
    async with linked(Peer(answer=lambda request: answers.pop(0)), telemetry=False) as (link, store, _):
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        assert (await link.request(SET, wire.DesiredSet, 5.0, False)).generation == 4


async def test_a_node_that_stays_busy_past_the_deadline_has_refused():
    later = Peer(answer=lambda request: wire.Failure(id=request.id, code="busy", message="slower", retry_after_s=9.0))
    async with linked(later, telemetry=False) as (link, store, _):
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        with pytest.raises(RequestFailed) as failed:
            await link.request(SET, wire.DesiredSet, 5.0, False)
        assert failed.value.reason.code == "busy"


@pytest.mark.parametrize("key", ["", "9f"])
async def test_a_change_with_a_key_is_sent_once_more_when_the_link_broke_under_it(key):
    first, second = Peer(), answering(wire.DesiredSet(generation=4))
    async with linked(first, second, telemetry=False) as (link, store, _):
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        change = wire.SetDesired(expected_generation=0, instances={}, author="", reason="test", key=key)
        asked = asyncio.create_task(link.request(change, wire.DesiredSet, 5.0, False))
        await until(lambda: any(isinstance(frame, wire.Request) for frame in first.said))
        first.end()
        if key:
            assert (await asked).generation == 4
            assert [frame.body for frame in second.said if isinstance(frame, wire.Request)] == [change]
        else:
            with pytest.raises(NodeUnreachable):
                await asked


async def test_without_a_link_a_request_says_why():
    async with linked(LinkRefused(Reason("auth_failed", "no key"))) as (link, store, _):
        await until(lambda: store.nodes["n"].state is NodeState.REFUSED)
        with pytest.raises(NodeUnreachable) as failed:
            await link.request(SET, wire.DesiredSet, 1.0, False)
        assert failed.value.reason.code == "auth_failed"


async def test_bulk_requests_take_a_stream_of_their_own_and_a_new_one_when_it_ended():
    piece = wire.LogPiece(text="a\n", offset=0, next_offset=2)
    control, bulk, again = Peer(), answering(piece), answering(piece)
    async with linked(control, bulk, again) as (link, store, line):
        control.say(snapshot())
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        ask = wire.ReadLog(instance="chat/0")
        assert await link.request(ask, wire.LogPiece, 5.0, True) == piece
        assert await link.request(ask, wire.LogPiece, 5.0, True) == piece
        assert isinstance(bulk.said[0], wire.Hello)
        assert bulk.said[0].telemetry is False
        bulk.end()
        await until(lambda: link._bulk_run is not None and link._bulk_run.done())
        assert await link.request(ask, wire.LogPiece, 5.0, True) == piece
        assert len(line.sockets) == 1
        assert not any(isinstance(frame, wire.Request) for frame in control.said)


async def test_a_peer_that_stops_answering_pings_is_cut_off(monkeypatch):
    monkeypatch.setattr(sessions, "PING_EVERY_S", 0.01)
    peer = Peer()
    peer.pongs = False
    async with linked(peer, Peer()) as (_, store, line):
        peer.say(snapshot())
        await until(lambda: len(line.sockets) == 2)
        assert store.nodes["n"].status is not None


async def test_a_silent_greeting_is_given_up(monkeypatch):
    monkeypatch.setattr(sessions, "GREETING_DEADLINE_S", 0.02)
    async with linked(Peer(first=b"still starting")) as (_, store, _):
        await until(lambda: store.nodes["n"].why is not None)
        why = store.nodes["n"].why
        assert why is not None
        assert (why.code, why.text) == ("timeout", "no greeting within 0 s")


async def test_control_characters_of_an_agent_are_gone_before_the_store():
    peer = Peer()
    async with linked(peer) as (_, store, _):
        peer.say(snapshot(instance("chat/0\x1b]52;c;AAAA\x07", Phase.READY)))
        await until(lambda: store.nodes["n"].state is NodeState.UP)
        assert list(store.nodes["n"].instances) == ["chat/0"]


async def test_a_frame_that_is_none_is_final():
    peer = Peer()
    async with linked(peer) as (_, store, _):
        peer.say(snapshot())
        peer.say_bytes(b"\x00\x00\x00\x02{]")
        await until(lambda: store.nodes["n"].state is NodeState.REFUSED)
        assert code_of(store) == "protocol"


def test_delays_begin_with_none_and_stay_within_their_limit():
    assert delay_s(1) == 0.0
    assert all(0.0 <= delay_s(failures) <= DELAY_AT_MOST_S for failures in range(2, 200))
    assert max(delay_s(2) for _ in range(200)) <= 1.0
