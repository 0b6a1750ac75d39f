import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import board as module
from agents.board import Board
from profiles.desired.model import Desired
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, HostReading, InstanceStatus, Phase, Reason


def make_board() -> Board:
    return Board(
        hostname="n1",
        agent_version="0",
        boot_id="b",
        host=HostReading(cores=2, memory_total_mib=100),
        gpu_source=GpuSource(GpuSourceKind.NONE),
        wall=lambda: 7.0,
    )


def gpu(uuid: str, power_w: float = 0) -> GpuReading:
    return GpuReading(uuid=uuid, index=int(uuid), name="G", power_w=power_w)


def instance(name: str, phase: Phase = Phase.READY) -> InstanceStatus:
    return InstanceStatus(name=name, profile="p", revision=1, engine="e", model="m", phase=phase, since_unix_s=1)


def test_equal_values_change_nothing() -> None:
    board = make_board()
    board.set_gpus([gpu("0"), gpu("1")])
    board.set_instance(instance("a"))
    number, _ = board.snapshot()
    board.set_gpus([gpu("0"), gpu("1")])
    board.set_instance(instance("a"))
    board.set_host(HostReading(cores=2, memory_total_mib=100))
    board.set_desired(Desired())
    assert board.since(number) == (number, None)


def test_delta_carries_whole_changed_entries_only() -> None:
    board = make_board()
    board.set_gpus([gpu("0"), gpu("1")])
    number, _ = board.snapshot()
    board.set_gpus([gpu("0"), gpu("1", 5)])
    board.set_desired(Desired(generation=1))
    _, delta = board.since(number)
    assert delta
    assert (delta.gpus, delta.host, delta.desired) == ((gpu("1", 5),), None, Desired(generation=1))
    assert delta.at_unix_s == 7.0


def test_forgotten_drops_ask_for_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GONE_KEPT", 2)
    board = make_board()
    number, _ = board.snapshot()
    for name in "abc":
        board.set_instance(instance(name))
        board.drop_instance(name)
    with pytest.raises(LookupError):
        board.since(number)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("gpus"), st.sets(st.sampled_from("0123")), st.integers(0, 2)),
        st.tuples(st.just("set"), st.sampled_from("abc"), st.sampled_from([Phase.READY, Phase.FAILED])),
        st.tuples(st.just("drop"), st.sampled_from("abc"), st.none()),
        st.tuples(st.just("read"), st.none(), st.none()),
    )
)


@given(STEPS)
def test_snapshot_and_deltas_rebuild_the_board(steps: list[tuple[str, object, object]]) -> None:
    board = make_board()
    number, snapshot = board.snapshot()
    gpus = {one.uuid: one for one in snapshot.status.gpus}
    instances = {one.name: one for one in snapshot.status.instances}
    for verb, what, value in [*steps, ("read", None, None)]:
        if verb == "gpus":
            board.set_gpus(
                [gpu(uuid, msgspec.convert(value, float)) for uuid in sorted(msgspec.convert(what, set[str]))]
            )
        elif verb == "set":
            board.set_instance(instance(str(what), Phase(str(value))))
        elif verb == "drop":
            board.drop_instance(str(what))
        else:
            number, delta = board.since(number)
            if delta:
                gpus = {k: v for k, v in gpus.items() if k not in delta.gpus_gone} | {g.uuid: g for g in delta.gpus}
                instances = {k: v for k, v in instances.items() if k not in delta.instances_gone}
                instances |= {one.name: one for one in delta.instances}
    assert tuple(gpus[k] for k in sorted(gpus)) == board.status().gpus
    assert tuple(instances[k] for k in sorted(instances)) == board.status().instances


def test_a_trouble_is_told_until_it_is_over() -> None:
    board = make_board()
    full = Reason("disk", "full", "free space")
    number, _ = board.snapshot()
    board.set_trouble("disk", full)
    board.set_trouble("disk", full)
    number, delta = board.since(number)
    assert delta is not None
    assert delta.troubles == (full,) == board.status().troubles
    assert board.trouble("disk") == full
    board.set_host(HostReading(cores=1, memory_total_mib=100))
    number, delta = board.since(number)
    assert delta is not None
    assert delta.troubles is None
    board.set_trouble("disk", None)
    _, delta = board.since(number)
    assert delta is not None
    assert delta.troubles == () == board.status().troubles
