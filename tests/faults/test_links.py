"""F02–F08: what networks and sleep do to a link, on a real sshd behind a proxy that spoils it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from console.remote.fleet import Fleet
from console.store import NodeState, NodeView
from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.faults.fleet import running, stays_up, until, until_state, vouch, write_inventory
from tests.faults.proxy import Way, proxy

pytestmark = pytest.mark.faults


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


def until_line(console: "subprocess.Popen[str]", text: str) -> None:
    """Read on until a line has `text`; a watched list is printed again and again."""
    assert console.stdout is not None
    assert any(text in f" {line.strip()} " for line in console.stdout), f"it ended without {text!r}"
