"""The fleet's door against a real sshd: trust on a person's word, loss and return, this machine without ssh."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from agents.wire import LogPiece, ReadLog
from console import inventory
from console.operations import Operations
from console.remote.errors import RequestFailed
from console.remote.fleet import Fleet
from console.store import NodeState, Store
from tests.e2e.sshd import Host, wait_until


@asynccontextmanager
async def running(host: Host, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Fleet, Store]]:
    monkeypatch.setenv("HOME", str(host.home))
    for variable in ("XDG_CONFIG_HOME", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(variable, raising=False)
    store = Store()
    fleet = Fleet(inventory.load(host.folder / "inventory.yaml"), store, author="ana")
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet, store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_an_unknown_key_is_trusted_on_a_persons_word(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (host.home / ".ssh" / "known_hosts").unlink()
    async with running(host, monkeypatch) as (fleet, store):
        await until(lambda: store.nodes["here"].state is NodeState.REFUSED)
        key = fleet.unknown_key("here")
        assert key is not None
        assert (key.host, key.port, key.algorithm) == ("127.0.0.1", host.port, "ssh-ed25519")
        fleet.trust("here")
        await until(lambda: store.nodes["here"].state is NodeState.UP)
        assert fleet.unknown_key("here") is None
    stored = host.home / ".config" / "gpuyard" / "known_hosts"
    assert stored.read_text() == key.line + "\n"
    assert stored.stat().st_mode & 0o777 == 0o600


async def test_a_dead_sshd_is_seen_at_once_and_its_return_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(host, monkeypatch) as (fleet, store):
        view = store.nodes["here"]
        await until(lambda: view.state is NodeState.UP)
        host.stop()
        await until(lambda: view.state is NodeState.UNREACHABLE, 5.0)
        assert view.status is not None
        with pytest.raises(RequestFailed):
            await fleet.request("here", ReadLog(instance="chat/0"), LogPiece)
        host.start()
        fleet.retry("here")
        await until(lambda: view.state is NodeState.UP)


async def test_logs_come_over_a_stream_of_their_own(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(host, monkeypatch) as (fleet, store):
        await until(lambda: store.nodes["here"].state is NodeState.UP)
        with pytest.raises(RequestFailed) as failed:
            async for _ in Operations(fleet, store).log("here", "nobody/0"):
                pass
        assert failed.value.reason.code == "not_found"
        assert store.nodes["here"].state is NodeState.UP


def test_without_an_inventory_it_is_this_machine_and_no_ssh(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    script = (
        "import sys, console.__main__ as m; code = m.main(['nodes', '--json'])\n"
        "assert 'asyncssh' not in sys.modules and 'textual' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, cwd=tmp_path,
                          timeout=30, check=False)  # fmt: skip
    lock = tmp_path / "state" / "gpuyard" / "agent.lock"
    pid = int(lock.read_text())
    os.kill(pid, 15)
    assert (done.returncode, done.stderr) == (0, "")
    (node,) = json.loads(done.stdout)["items"]
    assert (node["state"], node["way"]) == ("up", "local")
    wait_until(lambda: not (Path("/proc") / str(pid)).exists(), 10, "the agent has ended")
