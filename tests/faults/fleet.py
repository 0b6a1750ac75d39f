"""The console's fleet in this process, on real sshds: what a screen would show is in the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from console import inventory
from console.remote.fleet import Fleet
from console.store import NodeState, NodeView, Store
from tests.e2e.sshd import Host


@asynccontextmanager
async def running(host: Host, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Fleet, Store]]:
    """The fleet of the host's inventory, with the home directory of that host; the store ages as on a screen."""
    monkeypatch.setenv("HOME", str(host.home))
    for variable in ("XDG_CONFIG_HOME", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(variable, raising=False)
    store = Store()
    fleet = Fleet(inventory.load(host.folder / "inventory.yaml"), store, author="ana")
    tasks = [asyncio.create_task(fleet.run()), asyncio.create_task(_age(store))]
    try:
        yield fleet, store
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def write_inventory(host: Host, nodes: dict[str, dict[str, object]]) -> Path:
    """Nodes like the host's own, with what differs."""
    lines = ["gpuyard: 1", "nodes:"]
    for name, more in nodes.items():
        fields: dict[str, object] = {
            "address": "127.0.0.1", "port": host.port, "identity_file": host.login_key, "agent": host.agent,
        } | more  # fmt: skip
        lines.append(f"  {name}: {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}")
    path = host.folder / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def vouch(host: Host, *ports: int) -> None:
    """The host's key for each of these ports: proxies stand before the same sshd."""
    key = " ".join((host.folder / "host.pub").read_text().split()[:2])
    known = host.home / ".ssh" / "known_hosts"
    known.write_text("".join(f"[127.0.0.1]:{port} {key}\n" for port in (host.port, *ports)))


async def until(condition: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {limit_s:g} s in vain: {what}") from None


async def until_state(view: NodeView, state: NodeState, limit_s: float = 30.0) -> None:
    try:
        await until(lambda: view.state is state, f"{view.name} is {state}", limit_s)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {view.state}: {view.why}") from None


async def _age(store: Store) -> None:
    while True:
        store.age()
        await asyncio.sleep(0.1)


async def stays_up(view: NodeView, seconds: float) -> None:
    """Never stale nor lost for so long."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        assert view.state is NodeState.UP, view.why
        await asyncio.sleep(0.02)
