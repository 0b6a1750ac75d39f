"""What nodes tell becomes tracks on one axis; who is on the GPU and what happened stands beside them."""

from typing import Any

import pytest
from msgspec.structs import replace

from agents import wire
from console.explaining import explained, gathered
from console.remote.errors import NodeUnreachable
from console.render.verdict import verdict_item, verdict_lines, with_verdict
from console.store import Key, Kind, NodeState, Store
from engines.base import Histogram
from engines.devices import Slice
from profiles.desired.model import Desired
from profiles.explain.cause import Code, Confidence
from profiles.explain.evidence import Happened
from profiles.observed.gpus import Xid
from profiles.observed.history import HistoryKind, HistorySeries
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import EngineReading, Event, EventKind, GpuProcess, GpuReading, Phase, Reason
from tests.console.peer import instance, status

NOW_UNIX_S = 10_000.5
AGO_S = 40
"""So long ago whisper came."""
WHISPER = GpuProcess(pid=41, name="whisper", user="bob", memory_mib=9000, busy_ratio=0.6)
GPU = GpuReading(uuid="g", index=2, name="H100", processes=(WHISPER,))
KEY, GPU_KEY = Key(Kind.INSTANCE, "n", "chat/0"), Key(Kind.GPU, "n", "g")


def stepped(before: float, after: float, steps: int) -> tuple[float | None, ...]:
    """Noisy, as readings are."""
    level = [before] * (steps - AGO_S) + [after] * AGO_S
    return tuple(value * (1 + 0.01 * (at * 7 % 5)) for at, value in enumerate(level))


class Node:
    """Tells a quarter of an hour in which a stranger took half of the GPU; in two pieces."""

    def __init__(self) -> None:
        self.asked: list[wire.ReadHistory] = []
        self.listed: tuple[NodeProcess, ...] = (
            NodeProcess(pid=41, name="whisper", user="bob", gpus=(2,), age_s=AGO_S + 1.0),
        )

    async def request(self, node: str, ask: Any, answer: Any, *, deadline_s: float = 10, bulk: bool = False) -> Any:
        if isinstance(ask, wire.ListProcesses):
            return wire.Processes(processes=self.listed)
        self.asked.append(ask)
        steps = int((NOW_UNIX_S - ask.from_unix_s) // ask.step_s)
        values = {
            HistoryKind.HOST: {"cpu_ratio": stepped(0.3, 0.3, steps)},
            HistoryKind.GPU: {"busy_ratio": stepped(0.8, 0.99, steps), "foreign_busy_ratio": stepped(0, 0.6, steps),
                              "foreign_memory_mib": stepped(0, 9000, steps)},
            HistoryKind.INSTANCE: {"ttft_p95_s": stepped(0.2, 2.0, steps), "busy_ratio": stepped(0.8, 0.4, steps),
                                   "requests_per_s": stepped(5, 5, steps)},
        }[ask.kind]  # fmt: skip
        half = steps // 2 if ask.from_unix_s % 2 else steps
        series = HistorySeries(
            name=ask.names[0], values={field: track[:half] for field, track in values.items()},
            phases=(Phase.READY,) * half if ask.kind is HistoryKind.INSTANCE else (),
        )  # fmt: skip
        return wire.History(from_unix_s=ask.from_unix_s, step_s=ask.step_s, steps=half, series=(series,))


@pytest.fixture
def store() -> Store:
    store = Store(clock=lambda: 5.0, wall=lambda: NOW_UNIX_S)
    store.add_node("n")
    chat = replace(instance("chat/0", Phase.READY), slices=(Slice(gpu_uuid="g", gpu_index=2),))
    told = replace(status(chat, at=NOW_UNIX_S), gpus=(GPU,))
    store.receive("n", wire.Snapshot(status=told, desired=Desired()))
    return store


async def test_who_came_is_named_with_his_numbers_and_when(store: Store) -> None:
    for key in (KEY, GPU_KEY, Key(Kind.SERVICE, "", "p:chat")):
        verdict = await explained(Node(), store, key)
        first = verdict.causes[0]
        assert (verdict.subject, first.code, first.owner) == ("chat/0", Code.NEIGHBOUR_FOREIGN, "bob")
        assert first.confidence is Confidence.HIGH
        assert abs(first.first_sign_unix_s - (NOW_UNIX_S - AGO_S)) <= 2
        assert first.numbers[0] == "its SM share 0% → 61%"
    lines = ["".join(text for text, _ in line) for line in verdict_lines(verdict, 100, 0.0, NOW_UNIX_S)]
    assert lines[1].startswith(" Verdict       noisy neighbour, foreign · confidence high · first sign ")
    assert any("XID none" in line for line in lines)
    item = verdict_item(verdict, "n", 0.0)
    assert item["causes"][0]["confidence"] == "high"  # type: ignore[index]


async def test_what_the_node_says_now_stands_beside_the_past(store: Store) -> None:
    view = store.nodes["n"]
    node = Node()
    node.listed += (
        NodeProcess(pid=7, name="VLLM::EngineCore", kind=ProcessKind.ORPHAN, instance="old/0", gpus=(2,),
                    memory_mib=900, age_s=30.0),
    )  # fmt: skip
    view.gpus["g"] = replace(GPU, xids=(Xid(119, NOW_UNIX_S - 5, 1), Xid(45, NOW_UNIX_S - 5, 1)))
    texts = ("generation 1: apply: + chat/0", "generation 2: set: chat/0 max_num_seqs 64 → 4", "generation 3: x: y/0")
    for at, text in enumerate(texts):
        view.events.append(Event(seq=at, at_unix_s=NOW_UNIX_S - 9, kind=EventKind.DESIRED, text=text, author="ana"))
    (found,) = await gathered(node, store, KEY)
    assert [(one.kind, one.about) for one in found.happened] == [
        (Happened.XID, "n/2"), (Happened.EDIT, "chat/0"), (Happened.EDIT, "another"),
    ]  # fmt: skip
    assert found.happened[1].text == "set: chat/0 max_num_seqs 64 → 4"
    assert [(one.name, one.orphan) for one in found.tenants] == [("whisper 41", False), ("VLLM::EngineCore 7", True)]


async def test_of_several_strangers_the_one_that_came_at_the_onset_is_named(store: Store) -> None:
    """Although the one that was there all along computes more by now."""
    old = GpuProcess(pid=40, name="train", user="eve", memory_mib=20_000, busy_ratio=0.9)
    store.nodes["n"].gpus["g"] = replace(GPU, processes=(old, WHISPER))
    node = Node()
    node.listed += (NodeProcess(pid=40, name="train", user="eve", gpus=(2,), age_s=7200.0),)
    first = (await explained(node, store, KEY)).causes[0]
    assert (first.who, first.owner, first.pid) == ("whisper 41", "bob", 41)
    assert "one of 2 on the GPU that gpuyard did not start" in first.numbers
    node.listed = tuple(replace(one, age_s=7200.0) for one in node.listed)
    assert (await explained(node, store, KEY)).causes[0].who == "train 40"


async def test_a_latency_is_told_no_finer_than_its_engine_counts(store: Store) -> None:
    view = store.nodes["n"]
    counted = Histogram((0.1, 0.25, 1.0, 2.5), (0.0, 0.0, 1.0, 2.0, 2.0), 3.0)
    reading = EngineReading(at_unix_s=NOW_UNIX_S, window_s=60, ttft=counted)
    view.instances["chat/0"] = replace(view.instances["chat/0"], reading=reading)
    hurt = (await explained(Node(), store, KEY)).hurt
    assert hurt is not None
    assert hurt.text == "TTFT p95 100–250 ms → 1–2.5 s"


async def test_a_gpu_without_an_instance_is_judged_and_so_is_a_node_that_is_lost(store: Store) -> None:
    view = store.nodes["n"]
    view.instances.clear()
    node = Node()
    assert [one.subject for one in await gathered(node, store, GPU_KEY)] == ["n/2"]
    view.state, view.why = NodeState.UNREACHABLE, Reason("silent", "no word for 20 s")
    asked = len(node.asked)
    verdict = await explained(node, store, GPU_KEY)
    assert len(node.asked) == asked
    assert (verdict.causes[0].code, verdict.causes[0].text) == (Code.NODE, "no word for 20 s")


async def test_a_node_that_refuses_leaves_what_is_known_now(store: Store) -> None:
    class Deaf(Node):
        async def request(self, node: str, ask: Any, answer: Any, **more: Any) -> Any:
            raise NodeUnreachable(Reason("lost", "gone"), node)

    verdict = await explained(Deaf(), store, KEY)
    assert (verdict.hurt, verdict.causes) == (None, ())


async def test_longer_ago_is_asked_by_ten_seconds_and_only_where_the_last_quarter_was_calm(store: Store) -> None:
    node = Node()
    await explained(node, store, KEY, 7200.0)
    assert {ask.step_s for ask in node.asked} == {1.0}

    class Calm(Node):
        async def request(self, node: str, ask: Any, answer: Any, **more: Any) -> Any:
            told = await super().request(node, ask, answer, **more)
            return told if isinstance(ask, wire.ListProcesses) or ask.step_s > 1 else replace(told, series=())

    calm = Calm()
    await explained(calm, store, KEY, 7200.0)
    assert {ask.step_s for ask in calm.asked} == {1.0, 10.0}


def test_a_verdict_goes_in_below_the_first_part() -> None:
    one = ((" a", "x"),)
    page: Any = [one, (), one]
    assert with_verdict(page, [((" v", "x"),)]) == [one, (), ((" v", "x"),), (), one]  # type: ignore[list-item]
