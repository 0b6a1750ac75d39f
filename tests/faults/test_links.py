"""F02–F23: what networks and hosts do to a link, on real sshds behind a proxy that spoils one of them."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from agents.framing import encode, preamble
from agents.wire import Delta, Hello, LogPiece, ReadLog, Snapshot
from console.remote import session, ssh
from console.remote.errors import RequestFailed
from console.remote.fleet import Fleet
from console.store import STALE_AFTER_S, NodeState, NodeView
from profiles.model import Desired
from profiles.status import GpuSource, GpuSourceKind, HostReading, NodeStatus
from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.faults.fleet import running, until, until_state, vouch, write_inventory
from tests.faults.proxy import Way, proxy

pytestmark = pytest.mark.faults


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with sshd.host(tmp_path_factory.mktemp("h")) as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timers of a link, a few times faster."""
    monkeypatch.setattr(ssh, "KEEPALIVE_S", 1)
    monkeypatch.setattr(ssh, "UNACKNOWLEDGED_S", 3)
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(ssh, "LOGIN_TIMEOUT_S", 2.0)
    monkeypatch.setattr(session, "PING_EVERY_S", 0.5)


async def test_f02_packets_that_vanish_are_given_up(host: Host, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog drops what comes, as a packet filter does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        vouch(host, port)
        write_inventory(host, {"gone": {"port": port}, "here": {}})
        async with running(host, monkeypatch) as (_, store):
            await until_state(store.nodes["gone"], NodeState.UNREACHABLE)
            assert store.nodes["gone"].why is not None
            assert store.nodes["gone"].why.code == "timeout"
            await until_state(store.nodes["here"], NodeState.UP)
        for one in filling:
            one.close()


async def test_f03_a_frozen_sshd_is_given_up_and_taken_again(
    host: Host, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.process is not None
    os.kill(host.process.pid, signal.SIGSTOP)
    async with running(host, monkeypatch) as (fleet, store):
        view = store.nodes["here"]
        await until_state(view, NodeState.UNREACHABLE)
        os.kill(host.process.pid, signal.SIGCONT)
        await until(lambda: up_after_retry(fleet, view), "the host is back")


@pytest.mark.parametrize(
    "way", [Way.BOTH, Way.TO_HOST, Way.TO_CONSOLE], ids=["f04 both", "f05 to the host", "f05 back"]
)
async def test_f04_f05_a_link_that_dies_silently_is_noticed_and_made_anew(
    host: Host, quick: None, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    async with proxy(host.port) as spoiled:
        vouch(host, spoiled.port)
        write_inventory(host, {"here": {"port": spoiled.port}})
        async with running(host, monkeypatch) as (_, store):
            view = store.nodes["here"]
            await until_state(view, NodeState.UP)
            spoiled.stalled = way
            await until(lambda: view.state is NodeState.UNREACHABLE, "the dead link is noticed", 16)
            assert view.status is not None  # the last values stay, with their age
            assert not way & Way.TO_CONSOLE or (store.age_s(view) or 0) > 1
            spoiled.stalled = Way(0)
            spoiled.cut()
            await until_state(view, NodeState.UP)


async def test_f06_a_long_way_is_slow_and_never_lost(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(host.port) as spoiled:
        spoiled.delay_s = 0.15
        vouch(host, spoiled.port)
        write_inventory(host, {"far": {"port": spoiled.port}})
        async with running(host, monkeypatch) as (_, store):
            view = store.nodes["far"]
            await until_state(view, NodeState.UP)
            await until(lambda: (view.round_trip_s or 0) >= 0.3, "the round trip is measured")
            await stays_up(view, 6.0)


async def test_f07_flapping_leaves_no_open_file(host: Host, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.remote.link.DELAY_AT_MOST_S", 0.1)
    me = psutil.Process()
    async with proxy(host.port) as spoiled:
        vouch(host, spoiled.port)
        write_inventory(host, {"here": {"port": spoiled.port}})
        async with running(host, monkeypatch) as (_, store):
            view = store.nodes["here"]
            await until_state(view, NodeState.UP)
            before = me.num_fds()
            for at in range(20):
                spoiled.cut()
                await until_state(view, NodeState.UNREACHABLE)
                if at % 2:  # and, as it may be, in the middle of a login
                    await asyncio.sleep(0.02 * at)
                    spoiled.cut()
                await until_state(view, NodeState.UP)
            await until(lambda: me.num_fds() <= before, f"{before} files are open again, not {me.num_fds()}")


def up_after_retry(fleet: Fleet, view: NodeView) -> bool:
    fleet.retry("here")
    return view.state is NodeState.UP


async def test_f08_a_laptop_that_slept_makes_every_link_anew(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that this process did not see, and a link that died meanwhile without a word."""
    slept_s = 0.0
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr("console.remote.waking.watch.__defaults__", (lambda: clock() + slept_s,))
    async with proxy(host.port) as spoiled:
        vouch(host, spoiled.port)
        write_inventory(host, {"here": {"port": spoiled.port}})
        async with running(host, monkeypatch) as (_, store):
            view = store.nodes["here"]
            await until_state(view, NodeState.UP)
            store.clock = lambda: clock() + slept_s
            view.received_at_s = store.clock()
            spoiled.stalled = Way.BOTH
            accepted = spoiled.accepted
            slept_s = 7200.0
            await until(lambda: view.state is not NodeState.UP, "what is old is not shown as live", 1.0)
            assert (store.age_s(view) or 0) >= 7200
            spoiled.stalled = Way(0)
            await until_state(view, NodeState.UP, 10)
            assert spoiled.accepted > accepted


def test_f08_a_console_that_was_stopped_recovers(host: Host) -> None:
    argv = [sys.executable, "-m", "console", "nodes", "-w", "--inventory", str(host.folder / "inventory.yaml")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=host.environment(), cwd=host.folder) as console:
        assert console.stdout is not None
        until_line(console, " up ")
        os.kill(console.pid, signal.SIGSTOP)
        host.stop()
        host.start()
        assert host.process is not None
        server = psutil.Process(host.process.pid)
        os.kill(console.pid, signal.SIGCONT)
        sshd.wait_until(lambda: server.children(), 20, "the console logs in anew")
        for _ in range(2):  # the first may have been printed before
            until_line(console, " up ")
        console.kill()


async def test_f14_a_refused_login_is_not_tried_again(host: Host, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sshd.keygen(host.folder / "stranger")
    async with proxy(host.port) as counting:
        vouch(host, counting.port)
        write_inventory(host, {"here": {"port": counting.port, "identity_file": host.folder / "stranger"}, "ok": {}})
        async with running(host, monkeypatch) as (_, store):
            await until_state(store.nodes["here"], NodeState.REFUSED)
            await until_state(store.nodes["ok"], NodeState.UP)
            await stays_up(store.nodes["ok"], 3.0)
        assert counting.accepted == 1


async def test_f15_many_logins_at_once_pass_maxstartups(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """With sshd's default, a hundred at once would lose half; what answers here is as cheap as it can be."""
    host.stop()
    host.options = ["MaxStartups 10:30:100"]
    host.start()
    recorded = host.folder / "recorded"
    recorded.write_bytes(BEGINNING)
    host.write_agent(f"cat {recorded}; exec sleep 60")
    write_inventory(host, {f"n{at}": {} for at in range(24)})
    async with running(host, monkeypatch) as (_, store):
        await until(lambda: all(view.status for view in store.nodes.values()), "all were reached", 50)
        assert not [view for view in store.nodes.values() if view.why]


async def test_f17_one_session_is_enough_for_all_but_logs(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.stop()
    host.options = ["MaxSessions 1", "AllowTcpForwarding no"]
    host.start()
    async with running(host, monkeypatch) as (fleet, store):
        view = store.nodes["here"]
        await until_state(view, NodeState.UP)
        with pytest.raises(RequestFailed) as refused:
            await fleet.request("here", ReadLog(instance="a/0"), LogPiece, bulk=True)
        assert "MaxSessions" in refused.value.reason.hint
        await stays_up(view, 2.5)


def test_f19_bytes_that_are_no_text_are_skipped(host: Host) -> None:
    works = host.agent.read_text().removeprefix("#!/bin/sh\n")
    host.write_agent(rf"printf '\377\376\200 noise\n'; {works}")
    done = host.console("nodes", "--json")
    assert done.returncode == 0, done.stderr


async def test_f20_a_flood_from_one_host_leaves_the_others_live(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    beginning, more, flooding = (host.folder / name for name in ("beginning", "more", "flooding"))
    beginning.write_bytes(BEGINNING)
    more.write_bytes(encode(Delta(at_unix_s=2.0)) * 20_000)
    flooding.write_text(f"#!/bin/sh\ncat {beginning}; while cat {more}; do :; done\n")
    flooding.chmod(0o755)
    write_inventory(host, {"flood": {"agent": flooding}, "here": {}})
    async with running(host, monkeypatch) as (_, store):
        await until_state(store.nodes["here"], NodeState.UP)
        await until_state(store.nodes["flood"], NodeState.UP)
        await stays_up(store.nodes["here"], 5.0)


async def test_f21_a_trickle_from_one_host_leaves_the_others_live(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(host.port) as spoiled:
        spoiled.trickle = True
        vouch(host, spoiled.port)
        write_inventory(host, {"slow": {"port": spoiled.port}, "here": {}})
        async with running(host, monkeypatch) as (_, store):
            await until_state(store.nodes["here"], NodeState.UP)
            await stays_up(store.nodes["here"], 5.0)


async def test_f22_too_few_files_are_said_in_one_line(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.remote.fleet.allow_files", lambda: None)
    monkeypatch.setattr("console.remote.link.DELAY_AT_MOST_S", 0.2)
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with proxy(host.port) as spoiled:
        vouch(host, spoiled.port)
        write_inventory(host, {"here": {"port": spoiled.port}})
        async with running(host, monkeypatch) as (_, store):
            view = store.nodes["here"]
            await until_state(view, NodeState.UP)
            spoiled.refuse = True
            spoiled.cut()
            await until_state(view, NodeState.UNREACHABLE)
            held = [os.open(os.devnull, os.O_RDONLY) for _ in range(64)]
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, allowed[1]))

            def said() -> bool:
                """Takes what the closing connection gives back, too."""
                with suppress(OSError):
                    while True:
                        held.append(os.open(os.devnull, os.O_RDONLY))
                return view.why is not None and view.why.code == "too_many_files"

            try:
                await until(said, "it is said")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, allowed)
                for descriptor in held:
                    os.close(descriptor)
            assert view.why is not None
            assert "ulimit" in view.why.hint
            spoiled.refuse = False
            await until_state(view, NodeState.UP)


def test_f22_the_limit_of_files_is_raised_to_what_is_allowed() -> None:
    script = (
        "import resource as r; from console.remote.fleet import allow_files; _, hard = r.getrlimit(r.RLIMIT_NOFILE);"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, hard)); allow_files(); print(r.getrlimit(r.RLIMIT_NOFILE)[0] > 64)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == "True\n"


async def test_f26_a_stopped_agent_is_told_from_a_lost_host(
    host: Host, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PING_EVERY_S", 1.5)
    async with running(host, monkeypatch) as (_, store):
        view = store.nodes["here"]
        await until_state(view, NodeState.UP)
        agent = int((host.state / "agent.lock").read_text())
        os.kill(agent, signal.SIGSTOP)
        try:
            await until(lambda: view.state is NodeState.STALE, "old values are marked", STALE_AFTER_S + 2)
            await until_state(view, NodeState.UNREACHABLE)
            await until(lambda: view.why and "agent" in view.why.text, f"it is the agent: {view.why}", 20)
        finally:
            os.kill(agent, signal.SIGCONT)
        await until_state(view, NodeState.UP)


async def stays_up(view: NodeView, seconds: float) -> None:
    """Never stale nor lost for so long."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        assert view.state is NodeState.UP, view.why
        await asyncio.sleep(0.02)


def until_line(console: "subprocess.Popen[str]", text: str) -> None:
    """Read on until a line has `text`; a watched list is printed again and again."""
    assert console.stdout is not None
    assert any(text in f" {line.strip()} " for line in console.stdout), f"it ended without {text!r}"


BEGINNING = (
    preamble("ab")
    + encode(Hello(node="n"))
    + encode(
        Snapshot(
            status=NodeStatus(
                hostname="n", agent_version="0", boot_id="b", at_unix_s=1.0, gpu_source=GpuSource(GpuSourceKind.NONE),
                host=HostReading(cores=1, memory_total_mib=1),
            ),
            desired=Desired(),
        )
    )
)  # fmt: skip
"""What an agent says first, to a console that says nothing of interest."""
