"""Frames in, views and dirty keys out; age and loss."""

import pytest

from agents import wire
from console.store import Key, Kind, NodeState, Store
from profiles.desired.model import Desired
from profiles.observed.history import HistogramSeries, HistorySeries
from profiles.observed.status import GpuReading, Phase, Reason
from tests.console.peer import instance, snapshot


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def one() -> tuple[Store, Clock]:
    clock = Clock()
    store = Store(clock, lambda: 5000.0)
    store.add_node("n", "fra")
    store.receive("n", snapshot(instance("chat/0", Phase.READY)))
    store.take_dirty()
    return store, clock


def test_a_snapshot_replaces_all_and_marks_what_went():
    store, _ = one()
    store.receive("n", snapshot(instance("chat/1", Phase.READY)))
    assert set(store.nodes["n"].instances) == {"chat/1"}
    dirty = store.take_dirty()
    assert {Key(Kind.INSTANCE, "n", "chat/0"), Key(Kind.INSTANCE, "n", "chat/1"), Key(Kind.NODE, "n")} <= dirty
    assert store.take_dirty() == set()


def test_a_delta_changes_only_what_it_carries():
    store, _ = one()
    gpu = GpuReading(uuid="g0", index=0, name="H100", busy_ratio=0.5)
    store.receive("n", wire.Delta(at_unix_s=1001.0, gpus=(gpu,), desired=Desired(generation=3)))
    view = store.nodes["n"]
    assert (view.gpus, set(view.instances), view.desired.generation) == ({"g0": gpu}, {"chat/0"}, 3)
    assert store.take_dirty() == {Key(Kind.GPU, "n", "g0"), Key(Kind.NODE, "n")}
    store.receive("n", wire.Delta(at_unix_s=1002.0, gpus_gone=("g0",), instances_gone=("chat/0",)))
    assert (view.gpus, view.instances) == ({}, {})
    assert store.recorded.ring(Key(Kind.GPU, "n", "g0"), "busy_ratio").last(9) == [0.5]


def test_a_delta_before_the_snapshot_is_left_alone():
    store = Store()
    store.add_node("n")
    store.receive("n", wire.Delta(at_unix_s=1.0))
    assert store.nodes["n"].status is None
    assert not store.nodes["n"].counted


@pytest.mark.parametrize(
    ("quiet_s", "state"), [(2.9, NodeState.UP), (3.0, NodeState.STALE), (14.9, NodeState.STALE),
                           (15.0, NodeState.UNREACHABLE)]
)  # fmt: skip
def test_silence_makes_a_node_stale_then_unreachable(quiet_s, state):
    store, clock = one()
    clock.now += quiet_s
    store.age()
    assert store.nodes["n"].state is state
    assert store.nodes["n"].counted is (state is not NodeState.UNREACHABLE)


def test_a_refused_node_stays_refused_however_old_and_a_frame_brings_it_back():
    store, clock = one()
    store.link("n", NodeState.REFUSED, Reason("auth_failed", "no"))
    clock.now += 60
    store.age()
    assert store.nodes["n"].state is NodeState.REFUSED
    store.receive("n", wire.Delta(at_unix_s=1060.0))
    assert (store.nodes["n"].state, store.nodes["n"].why) == (NodeState.UP, None)


def test_the_skew_of_clocks_is_known():
    store, _ = one()
    assert store.nodes["n"].clock_skew_s == 1000.0 - 5000.0


def test_what_is_open_is_recorded_in_full():
    store, _ = one()
    key = Key(Kind.GPU, "n", "g0")
    gpu = GpuReading(uuid="g0", index=0, name="H100", busy_ratio=0.5, power_w=300.0)
    store.receive("n", wire.Delta(at_unix_s=1001.0, gpus=(gpu,)))
    assert store.recorded.ring(key, "power_w").last(9) == []
    store.recorded.open(key)
    store.receive("n", wire.Delta(at_unix_s=1002.0))
    assert store.recorded.ring(key, "power_w").last(9) == [300.0]
    assert store.recorded.ring(key, "busy_ratio").last(9) == [0.5, 0.5]


def test_what_the_node_remembers_comes_before_what_was_seen():
    store, _ = one()
    key = Key(Kind.INSTANCE, "n", "chat/0")
    store.receive("n", wire.Delta(at_unix_s=1001.0))
    store.take_dirty()
    histograms = {"ttft": HistogramSeries(bounds_s=(0.1,), counts=(None, (1.0, 2.0)), sum_s=(0.0, 0.5))}
    series = HistorySeries(name="chat/0", values={"waiting": (None, 3.0)}, histograms=histograms)
    told = wire.History(from_unix_s=980.0, step_s=10.0, steps=2, series=(series,))
    store.remember("n", Kind.INSTANCE, told)
    assert store.recorded.ring(key, "waiting").last(12)[:10] == [3.0] * 10
    assert store.recorded.latency[key].histograms == histograms
    assert store.take_dirty() == {key}
