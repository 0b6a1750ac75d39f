"""The server on a real socket, with a supervisor that only keeps the desired document and knows one log."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from agents import framing, wire
from agents.access.answers import Answers
from agents.access.audit.log import AuditLog
from agents.access.audit.rooted import recorded
from agents.access.gate import Gate
from agents.access.leases import Leases
from agents.access.roles import Roles
from agents.board import Board
from agents.daemon import once_read
from agents.doctor.examiner import Examiner
from agents.doctor.subject import Subject
from agents.errors import CannotListen, Refused
from agents.events import EventLog
from agents.fractions.changes import Changes, Workshop
from agents.fractions.holds import Holds
from agents.fractions.journal import Journal
from agents.fractions.layouts import Layouts
from agents.fractions.timeslices import Timeslices
from agents.gpus.surveyor import Surveyor
from agents.instances.acts import Acts
from agents.instances.measurements import Measurements
from agents.instances.tenancy import Tenancy
from agents.layout import Layout
from agents.limits import Bucket, Limits
from agents.past.applies import Applies
from agents.past.history import History
from agents.past.revisions import Revisions
from agents.past.tags import Tags
from agents.privilege.child import RootChild
from agents.processes.survey import Survey
from agents.processes.terminating import Terminator
from agents.redaction import Redactor
from agents.runtimes.maker import Maker
from agents.runtimes.runtimes import Runtimes
from agents.server import channel, server
from agents.server.listener import listen
from agents.server.node import Node
from agents.server.server import Server
from agents.trials.trials import Trials
from profiles.desired.model import Desired
from profiles.observed.history import HistoryKind
from profiles.observed.status import EventKind, GpuSource, GpuSourceKind, HostReading, Role

LIMIT_S = 10
T = TypeVar("T")


@dataclass
class Keeping:
    """Keeps desired documents as the supervisor does, and runs nothing."""

    board: Board
    log: Path
    authors: list[str] = field(default_factory=list)

    def set_desired(self, request: wire.SetDesired, author: str) -> int:
        generation = self.board.desired.generation
        if request.expected_generation != generation:
            raise Refused("stale", f"the node is at generation {generation}", "plan again")
        self.authors.append(author)
        self.board.set_desired(Desired(generation=generation + 1, author=author))
        return generation + 1

    def redactor(self) -> Redactor:
        return Redactor({})

    def log_path(self, instance: str, previous: bool) -> tuple[Path, int] | None:
        return (self.log, 1) if instance == "a/0" and not previous else None


@dataclass
class Console:
    """The other side of the wire, as small as it can be."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: framing.FrameReader = field(default_factory=framing.FrameReader)
    seen: list[wire.AnyFrame] = field(default_factory=list)

    async def greet(self, role: str | None = None, **hello: object) -> wire.Hello:
        line = await self.reader.readuntil(b"\n")
        assert self.frames.frames(line) == []
        self.writer.write((wire.BRIDGE_LINE + f"role={role}\n".encode()) if role else b"")
        self.writer.write(line)
        self.send(wire.Hello(**hello))  # type: ignore[arg-type]
        return await self.expect(wire.Hello)

    def send(self, frame: wire.AnyFrame) -> None:
        self.writer.write(framing.encode(frame))

    async def expect(self, kind: type[T], when: Callable[[T], bool] = lambda _: True) -> T:
        """The next frame of `kind`; others are left out."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                while self.seen:
                    frame = self.seen.pop(0)
                    if isinstance(frame, kind) and when(frame):
                        return frame
                data = await self.reader.read(65536)
                assert data, f"closed before a {kind.__name__}"
                self.seen += self.frames.frames(data)

    async def closed(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            with suppress(ConnectionResetError):  # it was closed with bytes of ours unread
                while await self.reader.read(65536):
                    pass


@dataclass
class Running:
    path: Path
    board: Board
    events: EventLog
    control: Keeping
    revisions: Revisions
    task: asyncio.Task[None]
    consoles: list[Console] = field(default_factory=list)

    async def connect(self) -> Console:
        console = Console(*await asyncio.open_unix_connection(str(self.path)))
        self.consoles.append(console)
        return console

    async def operator(self, **hello: object) -> Console:
        console = await self.connect()
        await console.greet(None, **hello)
        return console


def set_desired(generation: int, author: str = "") -> wire.SetDesired:
    return wire.SetDesired(expected_generation=generation, instances={}, author=author, reason="r")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: the kernel allows a socket about 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        yield Path(name)


def undivided(directory: Path, board: Board, events: EventLog) -> Layouts:
    """Of a node without GPUs."""
    shop = Workshop(
        board=board, events=events, surveyor=Surveyor(), privileged=RootChild(lambda what, author: lambda *_: None),
        tenants=Tenancy({}, directory), holds=Holds(), release=nullcontext, boot_id="b",
    )  # fmt: skip
    return Layouts(Changes(Journal(directory / "fractions", events, time.time), shop), shop)


@asynccontextmanager
async def serving(directory: Path, roles: Roles | None = None, **limits: float) -> AsyncIterator[Running]:
    board = Board(
        hostname="n1",
        agent_version="0.1.0",
        boot_id="b",
        host=HostReading(cores=2, memory_total_mib=64),
        gpu_source=GpuSource(GpuSourceKind.NONE),
    )
    events = EventLog(directory / "events.jsonl")
    control = Keeping(board, directory / "log.1")
    path = directory / "agent.sock"
    revisions = Revisions(directory / "revisions", Tags(directory / "tags.json", events), events)
    roles = roles or Roles()
    chosen = Limits(**{"requests_burst": 1000, "changes_burst": 1000, **limits})  # type: ignore[arg-type]
    audit = AuditLog(directory / "audit", agent_version="0.1.0", limits=chosen)
    gate = Gate(audit, Leases(directory / "lease.json", events), Answers(directory / "answers.jsonl"), chosen)
    survey = Survey(directory, board, dict, lambda: Redactor({}))
    runtimes = Runtimes(directory / "agent.toml", directory / "runtimes")
    node = Node(
        board=board,
        events=events,
        control=control,
        revisions=revisions,
        applies=Applies(directory / "applies", events, lambda: gate.leases.is_held, lambda _: None, time.time),
        history=History(directory / "history", board, events),
        version="0.1.0",
        socket=str(path),
        roles=roles,
        gate=gate,
        survey=survey,
        terminator=Terminator(survey, events, RootChild(recorded(gate.audit))),
        examiner=Examiner(Subject(Layout(directory, path))),
        trials=Trials(directory / "trials", lambda _: None, lambda: 0, time.time),
        layouts=undivided(directory, board, events),
        timeslices=Timeslices(Layout(directory, path), board, RootChild(recorded(gate.audit))),
        acts=Acts(lambda name: None, events),
        runtimes=runtimes,
        maker=Maker(runtimes),
        measurements=Measurements(directory / "measurements.json", events),
        limits=chosen,
        log_rate=Bucket(chosen.log_bytes_per_s, chosen.log_bytes_per_s),
    )
    with listen(path, roles.group) as door:
        task = asyncio.create_task(Server(door, node).run())
        running = Running(path, board, events, control, revisions, task)
        try:
            yield running
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for console in running.consoles:
                console.writer.transport.abort()
            await asyncio.sleep(0)


@pytest.fixture
async def node(directory: Path) -> AsyncIterator[Running]:
    async with serving(directory) as running:
        yield running


async def test_greeting_snapshot_delta(node: Running) -> None:
    console = await node.connect()
    hello = await console.greet()
    assert (hello.role, hello.node, hello.socket) == (Role.ADMIN, "n1", str(node.path))
    snapshot = await console.expect(wire.Snapshot)
    assert snapshot.status.hostname == "n1"
    node.board.set_host(HostReading(cores=2, memory_total_mib=64, cpu_ratio=0.5))
    delta = await console.expect(wire.Delta, lambda frame: frame.host is not None)
    assert delta.host == HostReading(cores=2, memory_total_mib=64, cpu_ratio=0.5)
    assert (await console.expect(wire.Delta)).host is None


async def test_events_are_replayed_from_a_cursor_and_go_on(node: Running) -> None:
    for number in range(100):
        node.events.append(EventKind.AGENT, f"e{number + 1}")
    console = await node.operator(last_event_seq=40)
    texts: list[str] = []
    while len(texts) < 60:
        texts += [event.text for event in (await console.expect(wire.Happened)).events]
    assert texts == [f"e{number}" for number in range(41, 101)]
    node.events.append(EventKind.AGENT, "live")
    assert [event.text for event in (await console.expect(wire.Happened)).events] == ["live"]


async def test_cursor_of_another_state_directory_gets_recent_events(node: Running) -> None:
    node.events.append(EventKind.AGENT, "here")
    console = await node.operator(last_event_seq=9000)
    assert (await console.expect(wire.Happened)).events[0].text == "here"


async def test_desired_is_set_once_per_generation(node: Running) -> None:
    console = await node.operator(author="ann", telemetry=False)
    console.send(wire.Request(id=1, body=set_desired(0)))
    assert (await console.expect(wire.Reply)) == wire.Reply(id=1, body=wire.DesiredSet(generation=1))
    console.send(wire.Request(id=2, body=set_desired(0)))
    failure = await console.expect(wire.Failure)
    assert (failure.id, failure.code, failure.hint) == (2, "stale", "plan again")
    assert node.control.authors == ["ann"]


async def test_viewer_sees_the_node_and_changes_nothing(node: Running) -> None:
    node.control.log.write_bytes(b"line\n")
    console = await node.connect()
    hello = await console.greet("viewer", telemetry=False)
    assert hello.role is Role.VIEWER
    console.send(wire.Request(id=1, body=set_desired(0)))
    assert (await console.expect(wire.Failure)).code == "denied"
    console.send(wire.Request(id=2, body=wire.ReadLog(instance="a/0")))
    assert (await console.expect(wire.Failure)).code == "denied"
    assert node.board.desired.generation == 0


async def test_viewer_reads_revisions_and_is_told_when_one_is_gone(node: Running) -> None:
    node.revisions.record(Desired(generation=3, author="ann", reason="r", at_unix_s=1.0))
    console = await node.connect()
    await console.greet("viewer", telemetry=False)
    console.send(wire.Request(id=1, body=wire.ReadRevisions()))
    heads = await console.expect(wire.Reply)
    assert isinstance(heads.body, wire.Revisions)
    assert [(head.generation, head.author) for head in heads.body.revisions] == [(3, "ann")]
    console.send(wire.Request(id=2, body=wire.ReadRevision(generation=5)))
    document = await console.expect(wire.Reply)
    assert document.body == wire.RevisionDocument(head=heads.body.revisions[0], instances={})
    console.send(wire.Request(id=3, body=wire.ReadRevision(generation=2)))
    assert (await console.expect(wire.Failure)).code == "not_found"


async def test_what_a_console_says_behind_the_bridge_raises_nothing(node: Running) -> None:
    console = await node.connect()
    line = await console.reader.readuntil(b"\n")
    console.frames.frames(line)
    console.writer.write(wire.BRIDGE_LINE + b"role=viewer as=ann\n" + wire.BRIDGE_LINE + b"role=admin as=root\n" + line)
    assert (await console.expect(wire.Failure)).code == "invalid"
    await console.closed()


async def test_viewer_reads_history(node: Running) -> None:
    console = await node.connect()
    await console.greet("viewer", telemetry=False)
    console.send(wire.Request(id=1, body=wire.ReadHistory(kind=HistoryKind.HOST, last_s=60.0)))
    reply = await console.expect(wire.Reply)
    assert isinstance(reply.body, wire.History)
    assert (reply.body.step_s, reply.body.next_from_unix_s) == (10.0, None)
    console.send(wire.Request(id=2, body=wire.ReadHistory(kind=HistoryKind.HOST, fields=("ttft",))))
    failure = await console.expect(wire.Failure)
    assert (failure.code, failure.hint) == ("invalid", "it has cpu_ratio, memory_used_mib")


async def test_role_line_that_names_no_role_is_refused(node: Running) -> None:
    console = await node.connect()
    with pytest.raises(AssertionError, match="closed before"):
        await console.greet("king")


async def test_a_daemon_that_begins_answers_once_the_gpus_were_read_or_after_a_while() -> None:
    began: list[str] = []

    async def serve() -> None:
        began.append("serves")

    has_read = asyncio.Event()
    task = asyncio.create_task(once_read(serve, has_read, 60.0))
    await asyncio.sleep(0)
    assert began == []
    has_read.set()
    await task
    assert began == ["serves"]
    await once_read(serve, asyncio.Event(), 0.01)  # a driver that hangs keeps nobody out
    assert began == ["serves", "serves"]


async def test_full_disk_is_said(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: wire.SetDesired, author: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(node.control, "set_desired", refuse)
    console = await node.operator(telemetry=False)
    console.send(wire.Request(id=1, body=set_desired(0)))
    failure = await console.expect(wire.Failure)
    assert (failure.id, failure.code) == (1, "unavailable")
    assert "No space" in failure.message


async def test_unknown_instance(node: Running) -> None:
    console = await node.operator(telemetry=False)
    console.send(wire.Request(id=1, body=wire.ReadLog(instance="x/0")))
    assert (await console.expect(wire.Failure)).code == "not_found"


@pytest.mark.parametrize(("limits", "at_most"), [({"in_flight": 3}, 3), ({}, 4)])
async def test_requests_overlap_up_to_a_limit_and_meet_their_deadlines(
    directory: Path, limits: dict[str, float], at_most: int
) -> None:
    async with serving(directory, None, **limits) as node:
        console = await node.operator(telemetry=False)
        waiting = wire.ReadLog(instance="a/0", offset=0, wait_s=20)
        for number in range(at_most + 1):
            console.send(wire.Request(id=number, body=waiting, deadline_s=0.3))
        busy = await console.expect(wire.Failure)
        assert (busy.id, busy.code) == (at_most, "busy")
        late = {(await console.expect(wire.Failure)).code for _ in range(at_most)}
        assert late == {"timeout"}
        console.send(wire.Request(id=1, body=wire.ReadLog(instance="a/0")))
        assert (await console.expect(wire.Reply)).id == 1


async def test_requests_that_come_too_fast_are_told_when_to_come_again(directory: Path) -> None:
    async with serving(directory, requests_burst=3, requests_per_s=5) as node:
        console = await node.operator(telemetry=False)
        for number in range(5):
            console.send(wire.Request(id=number, body=wire.ReadLog(instance="x/0")))
        codes = [await console.expect(wire.Failure) for _ in range(5)]
        assert [one.code for one in codes].count("busy") == 2
        wait_s = max(one.retry_after_s or 0.0 for one in codes)
        assert 0 < wait_s <= 0.2
        await asyncio.sleep(wait_s)
        console.send(wire.Request(id=9, body=wire.ReadLog(instance="x/0")))
        assert (await console.expect(wire.Failure)).code == "not_found"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"type":"ping","number":1,"of_tomorrow":' + b"[" * 20 + b"]" * 20 + b"}", "deeper than 16"),
        (b'{"type":"ping","number":1,"of_tomorrow":[' + b"1," * 5000 + b"1]}", "more than 4096"),
        (b'{"type":"ping","number":1,"of_tomorrow":"' + b"x" * 70_000 + b'"}', "longer than 65536"),
        (b'{"type":"ping","number":1,"of_tomorrow":"' + b'\\"' * 50_000 + b"}", "without an end"),
        (b" " * 300_000, "at most 262144"),
    ],
)
async def test_a_request_of_a_bad_shape_ends_its_connection(node: Running, body: bytes, said: str) -> None:
    console = await node.operator(telemetry=False)
    console.send(wire.Ping(number=7))
    await console.expect(wire.Pong)
    console.writer.write(len(body).to_bytes(4, "big") + body)
    failure = await console.expect(wire.Failure)
    assert (failure.id, failure.code) == (None, "invalid")
    assert said in failure.message
    await console.closed()


async def test_a_stranger_may_say_little_and_a_request_right_behind_the_hello_much(node: Running) -> None:
    stranger = await node.connect()
    line = await stranger.reader.readuntil(b"\n")
    stranger.frames.frames(line)
    stranger.writer.write(line + framing.encode(wire.Hello(author="x" * 5000)))
    await stranger.expect(wire.Hello)
    assert "at most 4096" in (await stranger.expect(wire.Failure)).message
    console = await node.connect()
    line = await console.reader.readuntil(b"\n")
    console.frames.frames(line)
    long = wire.SetDesired(expected_generation=0, instances={}, author="", reason="x" * 5000)
    console.writer.write(
        line + framing.encode(wire.Hello(telemetry=False)) + framing.encode(wire.Request(id=1, body=long))
    )
    assert (await console.expect(wire.Reply)).id == 1


async def test_ping(node: Running) -> None:
    console = await node.operator(telemetry=False)
    console.send(wire.Ping(number=7))
    assert (await console.expect(wire.Pong)).number == 7


async def test_no_common_protocol_is_said_with_both_versions(node: Running) -> None:
    console = await node.operator(protocol_min=8, protocol_max=9, version="9.9")
    failure = await console.expect(wire.Failure)
    assert (failure.code, failure.id) == ("version", None)
    assert "agent 0.1.0 speaks protocol 1, console 9.9 speaks 8–9" in failure.message
    assert failure.hint == "upgrade the agent on that node to 9.9"
    await console.closed()


@pytest.mark.parametrize("greeting_line", [b"hello\n", b"gpuyard/2 ab\n", b"gpuyard/1 ab\n", b"x" * 100_000])
async def test_foreign_first_line_is_refused(node: Running, greeting_line: bytes) -> None:
    console = await node.connect()
    console.frames.frames(await console.reader.readuntil(b"\n"))
    console.writer.write(greeting_line)
    failure = await console.expect(wire.Failure)
    assert failure.code in ("invalid", "version")
    await console.closed()


async def test_garbage_after_the_greeting_ends_one_connection_only(node: Running) -> None:
    good, bad = await node.operator(telemetry=False), await node.operator(telemetry=False)
    bad.writer.write(b"\xff" * 10)
    assert (await bad.expect(wire.Failure)).code == "invalid"
    await bad.closed()
    good.send(wire.Ping(number=1))
    assert (await good.expect(wire.Pong)).number == 1


async def test_peer_that_never_greets_is_closed(directory: Path) -> None:
    async with serving(directory, hello_s=0.1) as node:
        mute = await node.connect()
        assert (await mute.expect(wire.Failure)).code == "timeout"
        await mute.closed()


async def test_peer_that_falls_silent_is_closed(directory: Path) -> None:
    async with serving(directory, silence_s=0.1) as node:
        silent = await node.operator(telemetry=False)
        assert (await silent.expect(wire.Failure)).code == "timeout"
        await silent.closed()


async def test_slow_reader_loses_no_event_and_holds_no_memory(node: Running) -> None:
    slow = await node.operator()
    await slow.expect(wire.Snapshot)
    for number in range(600):  # each is synced to the disk
        node.events.append(EventKind.AGENT, f"{number} " + "x" * 4000)
        if number % 100 == 0:
            await asyncio.sleep(0)
    other = await node.operator(telemetry=False)
    other.send(wire.Ping(number=1))
    assert (await other.expect(wire.Pong)).number == 1
    numbers: list[int] = []
    while len(numbers) < 600:
        numbers += [event.seq for event in (await slow.expect(wire.Happened)).events]
    assert numbers == list(range(1, 601))


async def test_peer_that_takes_nothing_is_closed(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "DRAIN_DEADLINE_S", 0.2)
    before = asyncio.all_tasks()
    await node.operator()
    for number in range(400):  # more than the socket and the reader here hold
        node.events.append(EventKind.AGENT, f"{number} " + "x" * 4000)
    assert asyncio.all_tasks() > before
    async with asyncio.timeout(LIMIT_S):
        while asyncio.all_tasks() > before:
            await asyncio.sleep(0.05)
    assert not node.task.done()


@pytest.mark.parametrize(
    ("limits", "said"), [({"clients": 2}, "2 connections are open"), ({"clients_a_person": 2}, "has 2 connections")]
)
async def test_too_many_consoles(directory: Path, limits: dict[str, float], said: str) -> None:
    async with serving(directory, None, **limits) as node:
        first, second = await node.operator(telemetry=False), await node.operator(telemetry=False)
        third = await node.connect()
        failure = await third.expect(wire.Failure)
        assert failure.code == "busy"
        assert said in failure.message
        await third.closed()
        first.writer.close()
        await first.closed()
        second.send(wire.Ping(number=1))
        await second.expect(wire.Pong)
        assert await node.operator(telemetry=False)


async def test_socket_is_private_and_goes_with_the_server(directory: Path) -> None:
    async with serving(directory) as running:
        mode = running.path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        console = await running.operator()
        running.task.cancel()
        await console.closed()
    assert {path.name for path in directory.iterdir()} == {"audit", "history", "revisions"}


async def test_socket_of_a_dead_daemon_is_replaced(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "agent.sock"))
    async with serving(directory) as running:
        assert await running.operator(telemetry=False)


@pytest.mark.parametrize("replaced_by", ["nothing", "a dead socket"])
async def test_a_lost_socket_is_made_anew(directory: Path, monkeypatch: pytest.MonkeyPatch, replaced_by: str) -> None:
    monkeypatch.setattr(server, "LOOK_S", 0.02)
    async with serving(directory) as running:
        before = await running.operator()
        running.path.unlink()
        if replaced_by == "a dead socket":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(running.path))
        event = (await before.expect(wire.Happened)).events[0]
        assert (event.code, str(running.path) in event.text) == ("socket_lost", True)
        assert await running.operator()
        before.send(wire.Ping(number=1))
        assert (await before.expect(wire.Pong)).number == 1


async def test_a_stranger_in_the_sockets_place_is_left_there_and_told_of(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOOK_S", 0.02)
    async with serving(directory) as running:
        before = await running.operator()
        running.path.unlink()
        with socket.socket(socket.AF_UNIX) as living:
            living.bind(str(running.path))
            living.listen()
            told = await before.expect(wire.Delta, lambda delta: bool(delta.troubles))
            assert told.troubles
            assert "another process listens" in told.troubles[0].text
        assert await before.expect(wire.Delta, lambda delta: delta.troubles == ())
        assert await running.operator()


def test_path_that_the_kernel_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="longer than"), listen(tmp_path / ("x" * 100)):
        pass


@pytest.mark.parametrize("kind", ["file", "symlink", "fifo"])
def test_what_was_planted_at_the_sockets_place_is_refused(directory: Path, kind: str) -> None:
    path = directory / "agent.sock"
    match kind:
        case "file":
            path.write_text("mine")
        case "symlink":
            path.symlink_to(directory / "elsewhere")
        case "fifo":
            os.mkfifo(path)
    with pytest.raises(CannotListen, match="no socket") as refused, listen(path):
        pass
    assert "remove it" in refused.value.hint
    assert path.lstat()
    assert not (directory / "elsewhere").exists()


def test_directory_that_everybody_can_write_is_refused(directory: Path) -> None:
    directory.chmod(0o777)
    with pytest.raises(CannotListen, match="everybody can write"), listen(directory / "agent.sock"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_places_of_other_users_are_refused(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "agent.sock"))
    os.chown(directory / "agent.sock", 1, 1)
    with pytest.raises(CannotListen, match="belongs to uid 1"), listen(directory / "agent.sock"):
        pass
    os.chown(directory, 1, 1)
    with pytest.raises(CannotListen, match="belongs to uid 1"), listen(directory / "other.sock"):
        pass


def test_import_loads_nothing_of_the_console() -> None:
    code = "import sys, agents.server.server; print(sorted({'textual', 'asyncssh', 'yaml', 'rich'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_more_log_than_all_consoles_may_have_comes_later(directory: Path) -> None:
    async with serving(directory, log_bytes_per_s=100.0) as node:
        node.control.log.write_bytes(b"x" * 59 + b"\n")
        console = await node.operator(telemetry=False)
        console.send(wire.Request(id=1, body=wire.ReadLog(instance="a/0")))
        assert len((await console.expect(wire.Reply)).body.text) == 60  # type: ignore[union-attr]
        node.control.log.write_bytes((b"x" * 59 + b"\n") * 100)
        console.send(wire.Request(id=2, body=wire.ReadLog(instance="a/0"), deadline_s=0.3))
        late = await console.expect(wire.Failure)
        assert (late.id, late.code) == (2, "timeout")
