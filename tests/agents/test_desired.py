"""The document through damage of its file and refusals of the disk: nothing that runs is stopped by either."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents import state
from agents.events import EventLog
from agents.instances.desired import DesiredDocument, only_stops, rebuilt
from agents.layout import Layout
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted


def owned(name: str, *, wanted: Wanted = Wanted.RUNNING, asked: int = 0) -> DesiredInstance:
    spec = InstanceSpec(name=name, service="s", engine="e", model="m", wanted=wanted, restarts_asked=asked)
    return DesiredInstance(profile="p", revision=1, spec=spec)


def desired(generation: int, *instances: DesiredInstance) -> Desired:
    return Desired(generation=generation, instances={one.spec.name: one for one in instances}, author="ann")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout.find(state=tmp_path)
    found.make()
    return found


def document(layout: Layout, *started: DesiredInstance) -> DesiredDocument:
    return DesiredDocument(layout, EventLog(layout.events), {one.spec.name: one for one in started})


def test_a_fresh_node_wants_nothing_and_writes_nothing(layout: Layout) -> None:
    assert document(layout).now == Desired()
    assert not layout.desired.exists()


@pytest.mark.parametrize("damage", ["gone", "torn", "flipped"])
def test_a_lost_document_is_rebuilt_so_that_nothing_stops(layout: Layout, damage: str) -> None:
    first = document(layout)
    first.replace(desired(1, owned("a/0"), owned("b/0", wanted=Wanted.STOPPED)))
    first.replace(desired(2, owned("a/0", asked=1), owned("b/0"), owned("c/0")))
    content = layout.desired.read_bytes()
    layout.desired.unlink()
    if damage == "torn":
        layout.desired.write_bytes(content[: len(content) // 2])
    if damage == "flipped":
        layout.desired.write_bytes(content.replace(b'"c/0"', b'"d/0"'))
    found = document(layout, owned("a/0", asked=1), owned("c/0"))
    assert found.now.generation == 3
    assert found.now.instances["a/0"].spec.restarts_asked == 1
    assert found.now.instances["c/0"].spec.wanted is Wanted.RUNNING
    assert state.load(layout.desired, Desired) == found.now
    assert [event.code for event in EventLog(layout.events).after(0, 9)] == ["state_damaged"]


def test_a_revision_that_is_newer_than_the_file_before_is_the_lost_document(layout: Layout) -> None:
    first = document(layout)
    first.replace(desired(1, owned("a/0")))
    lost = desired(2, owned("a/0", wanted=Wanted.STOPPED))
    first.replace(lost)
    layout.desired.write_bytes(b"")
    found = DesiredDocument(layout, EventLog(layout.events), {"a/0": owned("a/0")}, lost)
    assert (found.now.instances, found.now.generation) == (lost.instances, 4)


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_refuses_changes_but_not_a_stop(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    found = document(layout)
    found.replace(desired(1, owned("a/0"), owned("b/0")))
    with monkeypatch.context() as patch:
        patch.setattr(state, "write_atomic", refuse)
        with pytest.raises(OSError, match="No space"):
            found.replace(desired(2, owned("a/0"), owned("b/0"), owned("c/0")))
        assert found.now.generation == 1
        found.replace(desired(2, owned("a/0", wanted=Wanted.STOPPED)))
        assert (found.now.generation, found.unwritten) == (2, True)
        with pytest.raises(OSError, match="No space"):
            found.flush()
    found.flush()
    assert not found.unwritten
    assert state.load(layout.desired, Desired) == found.now


def test_a_document_that_cannot_be_written_back_still_holds(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "write_atomic", refuse)
    found = document(layout, owned("a/0"))
    assert list(found.now.instances) == ["a/0"]
    assert found.unwritten


instances = st.dictionaries(
    st.sampled_from(["a/0", "b/0", "c/0"]),
    st.tuples(st.sampled_from(list(Wanted)), st.integers(0, 1)),
).map(lambda drawn: desired(5, *(owned(name, wanted=wanted, asked=asked) for name, (wanted, asked) in drawn.items())))


@given(instances, instances)
def test_only_stops_never_begins_anything(old: Desired, new: Desired) -> None:
    wanted = {name: one.spec for name, one in new.instances.items() if one.spec.wanted is Wanted.RUNNING}
    before = {name: one.spec for name, one in old.instances.items()}
    if only_stops(old, new):
        assert new.instances.keys() <= old.instances.keys()
        assert all(before[name] == spec for name, spec in wanted.items())
    assert only_stops(old, replace(new, instances={}))
    assert only_stops(old, old)


@given(st.none() | instances, instances)
def test_a_rebuilt_document_keeps_all_that_was_started(previous: Desired | None, started: Desired) -> None:
    new = rebuilt(previous, started.instances, 1.0)
    for name, one in started.instances.items():
        assert new.instances[name].spec.launch_key() == one.spec.launch_key()
    if previous:
        assert new.generation > previous.generation + 1
