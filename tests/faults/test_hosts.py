"""F14–F26: what hosts, sshds and limits do to a link: one that misbehaves costs the others nothing."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from agents.framing import encode, preamble
from agents.wire import Delta, Hello, LogPiece, ReadLog, Snapshot
from console.remote import session
from console.remote.errors import RequestFailed
from console.store import STALE_AFTER_S, NodeState
from profiles.desired.model import Desired
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, NodeStatus
from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.faults.fleet import running, stays_up, until, until_state, vouch, write_inventory
from tests.faults.proxy import proxy

pytestmark = pytest.mark.faults


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


async def test_f17_one_session_is_enough(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.stop()
    host.options = ["MaxSessions 1", "AllowTcpForwarding no"]
    host.start()
    async with running(host, monkeypatch) as (fleet, store):
        view = store.nodes["here"]
        await until_state(view, NodeState.UP)
        with pytest.raises(RequestFailed) as answered:
            await fleet.request("here", ReadLog(instance="a/0"), LogPiece, bulk=True)
        assert answered.value.reason.code == "not_found"  # by the agent itself, over the one that there is
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
