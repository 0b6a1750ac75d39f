"""A console that connects for the first time has charts, events and revisions at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from console import inventory
from console.past import Past
from console.remote.fleet import Fleet
from console.store import Key, Kind, Store
from console.undo import revisions
from profiles.observed.status import Phase
from tests.e2e.sshd import Host
from tests.e2e.test_undo import done, profile

BEFORE_S = 12.0


@asynccontextmanager
async def fresh(host: Host, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Fleet, Store]]:
    """A console that knows nothing, as the app starts it."""
    monkeypatch.setenv("HOME", str(host.home))
    store = Store()
    fleet = Fleet(inventory.load(host.folder / "inventory.yaml"), store, author="eve")
    tasks = [asyncio.create_task(part.run()) for part in (fleet, Past(fleet, store))]
    try:
        yield fleet, store
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def ready_for_s(store: Store) -> float:
    """How long the instance has been ready, by the node's own clock."""
    view = store.nodes["here"]
    status = view.instances.get("chat/0")
    if view.status is None or status is None or status.phase is not Phase.READY:
        return 0.0
    return view.status.at_unix_s - status.since_unix_s


async def test_a_second_console_has_the_past_of_the_first(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.1}), "--yes")
    key = Key(Kind.INSTANCE, "here", "chat/0")
    async with fresh(host, monkeypatch) as (_, first):
        async with asyncio.timeout(60):
            while ready_for_s(first) < BEFORE_S + 6:  # its rates begin with the second scrape
                await asyncio.sleep(0.05)
    async with fresh(host, monkeypatch) as (fleet, second):
        second.recorded.open(key)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            while not second.nodes["here"].snapshots:
                await asyncio.sleep(0.01)
            connected = loop.time()
            ring = second.recorded.ring(key, "requests_per_s")
            while len(ring.last(900)) < BEFORE_S:
                await asyncio.sleep(0.01)
        assert len(ring.last(900)) > 2 * (loop.time() - connected), "it was not all seen by this console"
        events = second.nodes["here"].events
        assert [event.author for event in events if event.kind == "desired"] == ["ana"]
        assert {event.code for event in events if event.instance == "chat/0"} >= {"asked", "ready"}
        assert [head.author for head in await revisions(fleet, "here")] == ["", "ana"]
        async with asyncio.timeout(30):
            while key not in second.recorded.latency:
                await asyncio.sleep(0.01)
        assert "ttft" in second.recorded.latency[key].histograms
    done(host, "stop", "chat", "--yes")
