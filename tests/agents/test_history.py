"""History from the board to an answer: gaps, clocks that are set, restarts, sizes, quantiles."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import wire
from agents.board import Board
from agents.errors import Refused
from agents.events import EventLog
from agents.past import recall as module
from agents.past.columns import Grid, Series
from agents.past.history import History
from agents.past.recall import recall
from agents.past.rings import Ring, Rings
from agents.past.scrapes import FORGOTTEN_AFTER, Scrapes
from agents.past.spending import spent
from engines.base import EngineSample, Histogram
from engines.devices import Slice
from profiles.latency.slo import estimate, merge, quantile
from profiles.observed.history import FIELDS, NAN, HistoryKind
from profiles.observed.status import (
    EngineReading,
    GpuProcess,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    HostReading,
    InstanceStatus,
    Phase,
)

BOUNDS = (0.1, 0.2, 0.4)


class Node:
    """A history with clocks of the test's: `pass_s` lets seconds pass, one look in each."""

    def __init__(
        self, directory: Path, *, boot_s: float = 5000.5, unix_s: float = 1_000_000.0, boot: str = "b"
    ) -> None:
        self.boot_s, self.offset_s = boot_s, unix_s - boot_s
        self.board = Board(
            hostname="h", agent_version="0", boot_id=boot, host=HostReading(cores=1, memory_total_mib=9),
            gpu_source=GpuSource(GpuSourceKind.SIMULATED), wall=self.wall,
        )  # fmt: skip
        self.events = EventLog(directory / "events.jsonl")
        self.history = History(directory / "h", self.board, self.events, clock=lambda: self.boot_s, wall=self.wall)
        self.busy: float | None = 0.5
        self.phase = Phase.READY
        self.late: Histogram | None = None
        """What the engine told of its latencies, with preemptions and a share of the GPU; nothing yet."""

    def wall(self) -> float:
        return self.boot_s + self.offset_s

    def show(self) -> None:
        held = (GpuProcess(pid=7, busy_ratio=0.4, instance="a/0"),) if self.late else ()
        self.board.set_gpus(
            [GpuReading(uuid="g", index=0, name="G", busy_ratio=self.busy, energy_mj=int(self.boot_s), processes=held)]
        )
        self.board.set_host(HostReading(cores=1, memory_total_mib=9, cpu_ratio=0.25, memory_used_mib=4))
        reading = EngineReading(
            at_unix_s=self.wall(), running=2.0, waiting=self.boot_s % 10, ttft=self.late, itl=self.late,
            preemptions_per_s=1.5 if self.late else None,
        )  # fmt: skip
        self.board.set_instance(
            InstanceStatus(
                name="a/0", profile="p", revision=1, engine="e", model="m", phase=self.phase, since_unix_s=1.0,
                reading=reading if self.phase is Phase.READY else None,
                slices=(Slice(gpu_uuid="g", gpu_index=0),) if self.late else (),
            )
        )  # fmt: skip

    def pass_s(self, seconds: int, *, looks: bool = True) -> None:
        for _ in range(seconds):
            self.boot_s += 1
            if looks:
                self.show()
                self.history.look()

    async def ask(self, kind: HistoryKind = HistoryKind.GPU, **more: object) -> wire.History:
        return await recall(self.history, wire.ReadHistory(kind=kind, **more))  # type: ignore[arg-type]

    async def values(self, field: str = "busy_ratio", kind: HistoryKind = HistoryKind.GPU, **more: object
                     ) -> list[float | None]:  # fmt: skip
        answer = await self.ask(kind, fields=(field,), **more)
        return list(answer.series[0].values[field]) if answer.series else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def known(values: list[float | None]) -> int:
    return sum(value is not None for value in values)


async def test_seconds_are_there_at_once_and_longer_steps_are_made_of_them(node: Node) -> None:
    node.pass_s(30)
    node.busy = 0.9
    node.pass_s(30)
    fine = await node.values(last_s=60.0, step_s=1.0)
    assert fine[-60:] == [0.5] * 30 + [0.9] * 30
    coarse = await node.values(last_s=60.0, step_s=10.0)
    assert coarse[-1] == 0.9
    assert coarse[0] == 0.5
    assert len(coarse) == 6
    waiting = await node.values("waiting", HistoryKind.INSTANCE, last_s=60.0, step_s=60.0)
    assert waiting[-1] == 9.5, "a queue is remembered by its peak"
    energy = await node.values("energy_mj", last_s=60.0, step_s=60.0)
    assert energy[-1] == int(node.boot_s)


async def test_a_gap_is_never_filled(node: Node) -> None:
    node.pass_s(20)
    node.busy = None
    node.pass_s(10)
    node.busy = 0.0
    node.pass_s(10)
    node.pass_s(10, looks=False)
    node.pass_s(5)
    values = await node.values(last_s=55.0, step_s=1.0)
    assert values[-55:] == [0.5] * 20 + [None] * 10 + [0.0] * 10 + [None] * 10 + [0.0] * 5


async def test_what_left_memory_is_read_from_disk(node: Node) -> None:
    node.pass_s(2000)
    values = await node.values(last_s=1990.0, step_s=10.0)
    assert known(values) >= 198
    every_second = await node.values(last_s=1500.0, step_s=1.0)
    assert known(every_second) >= 1490, "ten seconds on disk stand for each of theirs"
    assert (await node.ask(HistoryKind.HOST, last_s=1990.0)).series[0].name == ""


async def test_a_restart_of_the_agent_keeps_what_was(node: Node, tmp_path: Path) -> None:
    node.pass_s(100)
    again = Node(tmp_path, boot_s=node.boot_s, unix_s=node.wall())
    again.pass_s(20, looks=False)
    again.pass_s(5)
    values = await again.values(last_s=125.0, step_s=1.0)
    assert known(values) >= 100
    assert values[-5:] == [0.5] * 5
    assert values[-24:-6] == [None] * 18


async def test_what_a_verdict_asks_of_an_instance_comes_back_from_disk(node: Node, tmp_path: Path) -> None:
    """Also that what nobody told before is unknown then, not zero."""
    fields = ("busy_ratio", "preempted_per_s", "ttft_p95_s", "itl_p95_s")
    node.pass_s(50)
    node.late = Histogram(BOUNDS, (0.0, 0.0, 100.0, 100.0), 30.0)
    node.pass_s(50)
    again = Node(tmp_path, boot_s=node.boot_s, unix_s=node.wall())  # with nothing in memory
    answer = await again.ask(HistoryKind.INSTANCE, names=("a/0",), fields=fields, last_s=100.0, step_s=10.0)
    values = answer.series[0].values
    assert {field: values[field][0] for field in fields} == dict.fromkeys(fields)
    p95_s = estimate(node.late, 0.95)
    assert tuple(values[field][-3] for field in fields) == (0.4, 1.5, p95_s, p95_s)


async def test_a_reboot_keeps_what_was(node: Node, tmp_path: Path) -> None:
    node.pass_s(100)
    after = Node(tmp_path, boot_s=20.5, unix_s=node.wall() + 60.0, boot="other")
    after.pass_s(15)
    values = await after.values(last_s=180.0, step_s=10.0)
    assert known(values) in (11, 12)
    assert None in values[-8:]


@pytest.mark.parametrize("jump_s", [-86_400.0, -61.0, 61.0, 86_400.0])
async def test_a_clock_that_is_set_moves_all_of_this_boot_alike(node: Node, tmp_path: Path, jump_s: float) -> None:
    node.pass_s(1000)
    node.offset_s += jump_s
    node.busy = 0.75
    node.pass_s(50)
    values = await node.values(last_s=1040.0, step_s=10.0)
    assert known(values) >= 103
    assert values[-4] == 0.75
    again = Node(tmp_path, boot_s=node.boot_s, unix_s=node.wall())
    again.pass_s(5)
    assert known(await again.values(last_s=1040.0, step_s=10.0)) >= 103


async def test_a_wrong_clock_before_a_reboot_leaves_the_order_whole(node: Node, tmp_path: Path) -> None:
    node.pass_s(100)
    ahead = Node(tmp_path, boot_s=20.5, unix_s=node.wall() + 1e7, boot="ahead")
    ahead.pass_s(100)
    right = Node(tmp_path, boot_s=20.5, unix_s=node.wall() + 200.0, boot="right")
    right.pass_s(20)
    answer = await right.ask(last_s=400.0, step_s=10.0)
    values = answer.series[0].values["busy_ratio"]
    assert answer.from_unix_s + answer.steps * answer.step_s < node.wall() + 300
    assert 10 <= known(list(values)) <= 14, "what says it is of the future is left out, what was before it is there"


async def test_phases_and_histograms_of_an_instance(node: Node) -> None:
    counts = [0.0, 0.0, 0.0, 0.0]
    node.phase = Phase.LOADING
    node.pass_s(10)
    node.phase = Phase.READY
    for second in range(120):
        node.pass_s(1)
        counts = [
            before + more for before, more in zip(counts, (0, 1, 2, 2) if second < 60 else (2, 2, 2, 2), strict=True)
        ]
        node.history.scraped("a/0", 1, EngineSample(ttft=Histogram(BOUNDS, tuple(counts), sum(counts))))
    answer = await node.ask(HistoryKind.INSTANCE, names=("a/0",), fields=("phase", "ttft"), last_s=140.0, step_s=10.0)
    one = answer.series[0]
    assert one.values == {}
    assert {Phase.LOADING, Phase.READY} <= set(one.phases)
    seen = [one.histograms["ttft"].at(step) for step in range(answer.steps)]
    total = merge(histogram for histogram in seen if histogram)
    assert total is not None
    assert 200 < total.count <= 240, "all but the first scrape and the step that is not over"
    first, last = seen[4], seen[-3]
    assert first is not None
    assert last is not None
    assert quantile(first, 0.95) == quantile(Histogram(BOUNDS, (0.0, 10.0, 20.0, 20.0), 1.0), 0.95)
    assert quantile(last, 0.95) == quantile(Histogram(BOUNDS, (20.0, 20.0, 20.0, 20.0), 1.0), 0.95)


def sample(*counts: float) -> EngineSample:
    return EngineSample(ttft=Histogram(BOUNDS, counts, sum(counts)))


def test_scrapes_that_were_missed_lose_nothing_and_a_restart_counts_anew() -> None:
    scrapes = Scrapes()
    scrapes.add("a", 1, sample(5, 5, 5, 5))
    assert scrapes.take() == {}
    scrapes.add("a", 1, sample(5, 6, 6, 6))
    assert scrapes.take()["a"]["ttft"].counts == (0, 1, 1, 1)
    assert scrapes.take() == {}
    scrapes.add("a", 1, sample(5, 6, 9, 9))
    assert scrapes.take()["a"]["ttft"].counts == (0, 0, 3, 3)
    scrapes.add("a", 1, sample(1, 1, 1, 1))
    assert scrapes.take()["a"]["ttft"].counts == (1, 1, 1, 1), "its counters began anew"
    scrapes.add("a", 2, sample(1, 1, 1, 2))
    assert scrapes.take() == {}
    for _ in range(FORGOTTEN_AFTER):
        scrapes.take()
    scrapes.add("a", 2, sample(9, 9, 9, 9))
    assert scrapes.take() == {}, "too long ago to say what was between"


async def test_an_answer_is_bounded_and_says_where_to_go_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.pass_s(600)
    whole = await node.values(last_s=600.0, step_s=1.0)
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 2000)
    pieces: list[float | None] = []
    at: float | None = node.wall() - 600.0
    while at is not None:
        answer = await node.ask(fields=("busy_ratio",), from_unix_s=at, step_s=1.0)
        assert len(msgspec.json.encode(answer)) <= 2000
        assert answer.steps < 600
        pieces += answer.series[0].values["busy_ratio"]
        at = answer.next_from_unix_s
    assert pieces == whole
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 10)
    with pytest.raises(Refused, match="not even one step"):
        await node.ask(last_s=60.0)


async def test_a_day_comes_in_pieces(node: Node) -> None:
    node.pass_s(100)
    answer = await node.ask(last_s=86_400.0, step_s=10.0)
    assert answer.steps == module.MAX_STEPS
    assert answer.next_from_unix_s == answer.from_unix_s + module.MAX_STEPS * 10.0


async def test_what_does_not_exist_is_refused_or_empty(node: Node) -> None:
    node.pass_s(5)
    with pytest.raises(Refused, match="no 'ttft'"):
        await node.ask(fields=("ttft",))
    assert (await node.ask(names=("nobody",))).series == ()
    empty = await node.ask(from_unix_s=node.wall() + 500.0)
    assert (empty.steps, empty.next_from_unix_s) == (0, None)


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1)), max_size=80), st.integers(3, 20))
def test_a_ring_is_a_window_on_all_that_was_put(points: list[tuple[int, float]], slots: int) -> None:
    ring, put, last = Ring(1, slots), {}, -1
    for slot, value in points:
        ring.add(slot, [value])
        if slot > last:
            put[slot], last = value, slot
    expected = [put.get(slot, NAN) if last - slots < slot <= last else NAN for slot in range(70)]
    assert [repr(value) for value in ring.read(0, 0, 70)] == [repr(value) for value in expected]


def test_a_series_that_is_silent_is_forgotten() -> None:
    rings = Rings(0, slots=10)
    host, gpu = (HistoryKind.HOST, ""), (HistoryKind.GPU, "g")
    rings.add(1, [(host, [0.0, 0.0]), (gpu, [0.0] * len(FIELDS[HistoryKind.GPU]))])
    rings.add(10, [(host, [0.0, 0.0])])
    assert set(rings.names()) == {host, gpu}
    rings.add(11, [(host, [0.0, 0.0])])
    assert rings.names() == [host]
    assert all(map(math.isnan, rings.read(gpu, 0, 0, 12)))


@given(st.lists(st.tuples(st.floats(0, 99), st.floats(0, 1)), max_size=50))
def test_down_sampling_does_not_depend_on_the_order_of_points(points: list[tuple[float, float]]) -> None:
    def result(order: list[tuple[float, float]]) -> list[object]:
        series = Series((HistoryKind.HOST, ""), ("cpu_ratio", "memory_used_mib"), Grid(0.0, 10.0, 9))
        for at, value in order:
            series.add(at, [value, value])
        found = series.result().values
        return [[round(value, 3) if value is not None else None for value in column] for column in found.values()]

    assert result(points) == result(points[::-1])


@pytest.mark.parametrize(
    "ask",
    [{"last_s": -5.0}, {"last_s": 1e300}, {"from_unix_s": -1e300}, {"to_unix_s": 1e300}, {"step_s": 1e300},
     {"step_s": -1.0, "last_s": 9.0}, {"from_unix_s": 1e300}, {"names": tuple(map(str, range(4000)))}],
)  # fmt: skip
async def test_no_number_that_a_stranger_sends_costs_more_than_an_answer(node: Node, ask: dict[str, Any]) -> None:
    node.pass_s(20)
    answer = await node.ask(**ask)
    assert 0 <= answer.steps <= module.MAX_STEPS


class Holder(Node):
    """Its instance holds half of GPU g, which has 1,000 MiB."""

    def show(self) -> None:
        super().show()
        self.board.set_gpus([GpuReading(uuid="g", index=0, name="G", busy_ratio=self.busy, memory_total_mib=1000)])
        (status,) = self.board.status().instances
        half = Slice(gpu_uuid="g", gpu_index=0, memory_mib=500)
        self.board.set_instance(msgspec.structs.replace(status, slices=(half,)))


async def test_what_an_instance_held_is_told_by_time_with_what_was_not_seen_left_out(tmp_path: Path) -> None:
    node = Holder(tmp_path)
    node.pass_s(199)
    node.pass_s(100, looks=False)
    node.phase = Phase.FAILED
    node.pass_s(300)
    told = await spent(node.history, wire.ReadSpent(last_s=1200, parts=2))
    before, after = told.parts
    (g,) = after.gpus
    (had,) = g.instances
    assert (before.seen_s, after.seen_s) == (0, 490)
    assert (g.board, g.all.micro_s, had.time.micro_s) == ("G", 490_000_000, 100_000_000)
    assert (had.name, had.profile, had.model) == ("a/0", "p", "m")


async def test_what_was_held_outlives_the_agent(tmp_path: Path) -> None:
    node = Holder(tmp_path)
    node.pass_s(100)
    again = Holder(tmp_path, boot_s=node.boot_s, unix_s=node.wall())
    again.pass_s(20)
    told = await spent(again.history, wire.ReadSpent(last_s=600))
    assert sum(had.time.micro_s for had in told.parts[0].gpus[0].instances) == told.parts[0].seen_s * 500_000 > 0


@pytest.mark.parametrize("ask", [wire.ReadSpent(last_s=0.0), wire.ReadSpent(last_s=1e9),
                                 wire.ReadSpent(last_s=60.0, parts=999)])  # fmt: skip
async def test_a_window_beyond_all_bounds_is_refused(node: Node, ask: wire.ReadSpent) -> None:
    with pytest.raises(Refused):
        await spent(node.history, ask)
