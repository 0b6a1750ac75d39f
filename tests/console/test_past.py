"""When nodes are asked for the past, and for what; a fleet is played, the store is real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents import wire
from console import past
from console.past import Past
from console.remote.errors import NodeUnreachable
from console.store import Key, Kind, NodeState, Store
from profiles.observed.history import HISTOGRAMS, HistogramSeries, HistoryKind, HistorySeries
from profiles.observed.status import GpuReading, Phase, Reason
from tests.console.peer import instance, snapshot

KEY = Key(Kind.INSTANCE, "n", "chat/0")


class Remembering:
    """Answers what a node with a GPU and an instance would, in two pieces when the steps are short."""

    def __init__(self) -> None:
        self.asked: list[wire.ReadHistory] = []
        self.gone = False

    async def request(self, node: str, ask: Any, answer: Any, *, deadline_s: float = 10, bulk: bool = False) -> Any:
        self.asked.append(ask)
        if self.gone:
            raise NodeUnreachable(Reason("lost", "gone"), node)
        name = "g" if ask.kind is HistoryKind.GPU else "chat/0"
        fields = ask.fields or ("busy_ratio", "waiting")
        values: dict[str, tuple[float | None, ...]] = {
            field: (0.25,) * 10 for field in fields if field not in HISTOGRAMS
        }
        ttft = HistogramSeries(bounds_s=(0.1,), counts=((1.0, 2.0),) * 10, sum_s=(0.1,) * 10)
        histograms = {"ttft": ttft} if "ttft" in fields else {}
        begins = ask.from_unix_s or 1000.0 - 10 * ask.step_s
        again = ask.step_s == 1.0 and ask.from_unix_s is None
        return wire.History(
            from_unix_s=begins, step_s=ask.step_s, steps=10, next_from_unix_s=900.0 if again else None,
            series=(HistorySeries(name=name, values=values, histograms=histograms),),
        )  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "LOOK_EVERY_S", 0.005)
    monkeypatch.setattr(past, "AFTER_FIRST_DATA_S", 0.0)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Remembering, Store]]:
    store = Store(wall=lambda: 1000.0)
    store.add_node("n")
    node = Remembering()
    task = asyncio.create_task(Past(node, store).run())
    try:
        yield node, store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def seen(store: Store) -> None:
    """The node is seen whole, and says one thing more."""
    store.receive("n", snapshot(instance("chat/0", Phase.READY)))
    store.receive("n", wire.Delta(at_unix_s=1000.0, gpus=(GpuReading(uuid="g", index=0, name="G", busy_ratio=0.5),)))


async def test_a_node_that_is_seen_is_asked_once_for_what_tables_draw() -> None:
    async with running() as (node, store):
        store.link("n", NodeState.UP)
        await asyncio.sleep(0.02)
        assert node.asked == [], "nothing is known of it yet"
        seen(store)
        ring = store.recorded.ring(Key(Kind.GPU, "n", "g"), "busy_ratio")
        await until(lambda: len(ring.last(900)) > 90 and len(node.asked) == 2)
        assert ring.last(3) == [0.25, 0.25, 0.5], "what was seen stays"
        assert {(ask.kind, ask.fields, ask.step_s) for ask in node.asked} == {
            (HistoryKind.GPU, ("busy_ratio",), 10.0), (HistoryKind.INSTANCE, ("generation_tok_s", "waiting"), 10.0),
        }  # fmt: skip
        seen(store)
        await until(lambda: len(node.asked) == 4)


async def test_what_is_opened_is_asked_for_in_full_piece_by_piece() -> None:
    async with running() as (node, store):
        seen(store)
        await until(lambda: len(node.asked) == 2)
        store.recorded.open(KEY)
        await until(lambda: KEY in store.recorded.latency and len(node.asked) == 5)
        fine = [ask for ask in node.asked if ask.step_s == 1.0]
        assert [(ask.names, ask.from_unix_s) for ask in fine] == [(("chat/0",), None), (("chat/0",), 900.0)]
        assert store.recorded.latency[KEY].histograms["ttft"].at(0) is not None
        store.recorded.close(KEY)
        assert KEY not in store.recorded.latency


async def test_latencies_are_asked_for_again_while_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "LATENCY_EVERY_S", 0.02)
    async with running() as (node, store):
        seen(store)
        store.recorded.open(KEY)
        await until(lambda: sum(ask.fields == HISTOGRAMS for ask in node.asked) >= 3)


async def test_a_node_that_does_not_answer_is_asked_when_it_is_back() -> None:
    async with running() as (node, store):
        node.gone = True
        seen(store)
        store.recorded.open(KEY)
        await until(lambda: len(node.asked) == 4)
        store.link("n", NodeState.UNREACHABLE)
        node.gone = False
        await asyncio.sleep(0.02)
        assert len(node.asked) == 4
        seen(store)
        await until(lambda: len(node.asked) >= 7)
