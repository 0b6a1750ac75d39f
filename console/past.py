"""The past of what the console shows, asked of the nodes: the one place that asks.

    a node was seen whole ─► 15 min of everything that a table draws, ten seconds a step
    a screen opened a key ─► 15 min of all its fields, a second a step; 30 min of its latencies, again while it is open

A little later than the first data, and few nodes at a time: nothing that is shown now waits for it.
"""

import asyncio
from collections.abc import Collection

import msgspec

from agents.wire import History, ReadHistory
from console.operations import Requests
from console.recorded import SPARKS
from console.remote.errors import RequestFailed
from console.store import Key, Kind, NodeState, NodeView, Store
from profiles.observed.history import HISTOGRAMS, HistoryKind

LOOK_EVERY_S = 0.25
AFTER_FIRST_DATA_S = 1.0
AT_ONCE = 4
COARSE_S = 10.0
FINE_S = 1.0
LATENCY_EVERY_S = 10.0
LATENCY_LAST_S = 1800.0

_KINDS = {Kind.GPU: HistoryKind.GPU, Kind.INSTANCE: HistoryKind.INSTANCE}


class Past:
    """What was asked of a node is asked again after each time that it was lost."""

    def __init__(self, fleet: Requests, store: Store) -> None:
        self._fleet = fleet
        self._store = store
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[str, int] = {}
        """Node → at which of its snapshots."""
        self._open: dict[Key, int] = {}
        self._latency_due_s: dict[Key, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for view in self._store.nodes.values():
                    if self._is_new(view, self._asked.get(view.name)):
                        self._asked[view.name] = view.snapshots
                        tasks.create_task(self._ask_coarse(view))
                for key in self._due():
                    tasks.create_task(self._ask_fine(key))
                for key in self._latency_due():
                    tasks.create_task(self._ask_latency(key))
                await asyncio.sleep(LOOK_EVERY_S)

    def _is_new(self, view: NodeView, asked: int | None) -> bool:
        return view.state is NodeState.UP and view.snapshots > 0 and view.snapshots != asked

    def _due(self) -> list[Key]:
        """What is open and was not asked for since its node was seen whole."""
        opened = {key: self._store.nodes[key.node] for key in self._store.recorded.opened if key.kind in _KINDS}
        due = {key: view.snapshots for key, view in opened.items() if self._is_new(view, self._open.get(key))}
        self._open = {key: asked for key, asked in self._open.items() if key in opened} | due
        for key in due:
            self._latency_due_s.pop(key, None)  # what its requests took is asked anew as well
        return list(due)

    def _latency_due(self) -> list[Key]:
        now_s = self._store.clock()
        opened = [key for key in self._open if key.kind is Kind.INSTANCE]
        self._latency_due_s = {key: self._latency_due_s.get(key, now_s) for key in opened}
        due = [key for key, due_s in self._latency_due_s.items() if due_s <= now_s]
        self._latency_due_s.update(dict.fromkeys(due, now_s + LATENCY_EVERY_S))
        return due

    async def _ask_coarse(self, view: NodeView) -> None:
        await asyncio.sleep(AFTER_FIRST_DATA_S)
        for kind, fields in SPARKS.items():
            await self._ask(view.name, kind, (), fields, COARSE_S)

    async def _ask_fine(self, key: Key) -> None:
        await self._ask(key.node, key.kind, (key.name,), (), FINE_S)

    async def _ask_latency(self, key: Key) -> None:
        async with self._turn:
            await ask_latencies(self._fleet, self._store, key.node, [key.name])

    async def _ask(self, node: str, kind: Kind, names: tuple[str, ...], fields: tuple[str, ...], step_s: float) -> None:
        async with self._turn:
            ask = ReadHistory(kind=_KINDS[kind], names=names, fields=fields, step_s=step_s)
            await _into(self._fleet, self._store, node, kind, ask)


async def ask_latencies(fleet: Requests, store: Store, node: str, names: Collection[str]) -> None:
    """What the requests of some instances of a node took in the last half hour, for whoever shows it."""
    ask = ReadHistory(kind=HistoryKind.INSTANCE, names=tuple(names), fields=HISTOGRAMS, step_s=COARSE_S,
                      last_s=LATENCY_LAST_S)  # fmt: skip
    await _into(fleet, store, node, Kind.INSTANCE, ask)


async def _into(fleet: Requests, store: Store, node: str, kind: Kind, ask: ReadHistory) -> None:
    """A node that does not answer is asked again when it is back; until then there is no past to show."""
    while True:
        try:
            told = await fleet.request(node, ask, History)
        except RequestFailed:
            return
        store.remember(node, kind, told)
        if told.next_from_unix_s is None:
            return
        ask = msgspec.structs.replace(ask, from_unix_s=told.next_from_unix_s)
