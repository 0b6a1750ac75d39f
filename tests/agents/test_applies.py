"""What a node keeps of applies: durable, closed once, superseded by the next, and a trouble while it is left open."""

from pathlib import Path

import pytest

from agents import wire
from agents.errors import Refused
from agents.events import EventLog
from agents.past.applies import Applies
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.desired.rollout import Rollout
from profiles.observed.status import Reason
from profiles.plans.waves import Move, Wave
from profiles.revisions.applyjournal import ApplyJournal, ApplyState, Edit, joined, renamed, taken_back


def owned(name: str, model: str = "m", **fields: object) -> DesiredInstance:
    base: dict[str, object] = {"name": name, "service": name.split("/")[0], "engine": "vllm", "model": model}
    return DesiredInstance(profile="p", revision=1, spec=InstanceSpec(**(base | fields)))  # type: ignore[arg-type]


def journal(of: str = "a1", *, profile: str = "p", edits: dict[str, Edit] | None = None) -> ApplyJournal:
    waves = (Wave(moves=(Move(node="n1", instance="a/0"),)), Wave(moves=(Move(node="n2", instance="a/1"),)))
    return ApplyJournal(
        id=of, profile=profile, title=f"{profile} r2", author="", reason="r", rollout=Rollout(), waves=waves,
        nodes=("n1", "n2"),
        edits=edits or {"n1": Edit(after={"a/0": owned("a/0", "m2")})},
    )  # fmt: skip


class Node:
    def __init__(self, path: Path) -> None:
        self.held = True
        self.told: Reason | None = None
        self.events = EventLog(path / "events.jsonl")
        self.applies = Applies(path / "applies", self.events, lambda: self.held, self._tell, lambda: 7.0)

    def _tell(self, reason: Reason | None) -> None:
        self.told = reason

    def begin(self, found: ApplyJournal) -> ApplyJournal:
        return self.applies.begin(wire.BeginApply(node="n1", journal=found), {"a/0": owned("a/0")}, "ann")

    def note(self, state: ApplyState, *, of: str = "a1", wave: int | None = None, why: Reason | None = None) -> None:
        self.applies.note(wire.NoteApply(profile="p", id=of, state=state, wave=wave, why=why), "bob")

    def said(self) -> list[str]:
        return [event.code for event in self.events.after(0, 99)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_it_is_kept_with_what_was_there_before_and_is_found_by_the_next_agent(node: Node, tmp_path: Path) -> None:
    node.begin(journal())
    node.note(ApplyState.ROLLING, wave=1)
    (found,) = Node(tmp_path).applies.all()
    assert (found.author, found.wave, found.state, found.began_unix_s) == ("ann", 1, ApplyState.ROLLING, 7.0)
    assert found.edits["n1"] == Edit(before={"a/0": owned("a/0")}, after={"a/0": owned("a/0", "m2")})


def test_one_that_is_left_open_is_a_trouble_until_it_is_closed(node: Node) -> None:
    node.begin(journal())
    assert node.applies.left_open() is None
    node.held = False
    left = node.applies.left_open()
    assert left is not None
    assert left.text == "the apply of p r2 by ann is rolling at wave 1 of 2"
    assert "--resume a1" in left.hint
    node.held = True
    node.note(ApplyState.PAUSED, why=Reason("x", "a/0 crashed"))
    assert node.told is not None
    assert "paused at wave 1 of 2: a/0 crashed" in node.told.text
    node.note(ApplyState.DONE)
    assert node.told is None
    assert node.said() == ["apply_rolling", "apply_paused", "apply_done"]
    with pytest.raises(Refused, match="no apply a1 of p is open"):
        node.note(ApplyState.ROLLING)


def test_the_next_apply_of_the_profile_takes_its_place_and_that_of_another_does_not(node: Node) -> None:
    node.begin(journal())
    node.begin(journal("b1", profile="q"))
    node.begin(journal("a2"))
    with pytest.raises(Refused, match="no apply a1"):
        node.note(ApplyState.ROLLING)
    assert {one.id for one in node.applies.all()} == {"b1", "a2"}
    assert "apply_superseded" in node.said()


def test_what_is_no_journal_of_this_node_is_refused(node: Node) -> None:
    for bad in (journal("../x"), journal(profile="../x"), journal(edits={"n2": Edit()})):
        with pytest.raises(Refused):
            node.begin(bad)


def test_parts_are_joined_under_the_names_of_another_console() -> None:
    parts = [
        journal(edits={"n1": Edit(after={"a/0": owned("a/0", "m2")})}),
        journal(edits={"n2": Edit()}),
    ]
    found = renamed(joined(parts), {"n1": "one", "n2": "two"})
    assert found.nodes == ("one", "two")
    assert found.edits.keys() == {"one", "two"}
    assert found.names("one") == ("a/0",)


def test_going_back_leaves_what_somebody_changed_since() -> None:
    edit = Edit(before={"a/0": owned("a/0"), "c/0": owned("c/0"), "d/0": owned("d/0")},
                after={"a/0": owned("a/0", "m2"), "b/0": owned("b/0"), "d/0": owned("d/0", "m2")})  # fmt: skip
    now = {"a/0": owned("a/0", "m2", restarts_asked=3), "b/0": owned("b/0"), "d/0": owned("d/0", "m9"),
           "e/0": owned("e/0")}  # fmt: skip
    found, others = taken_back(now, edit, ("a/0", "b/0", "c/0", "d/0"))
    assert others == ("d/0",)
    assert found == {
        "a/0": owned("a/0", restarts_asked=3), "c/0": owned("c/0"), "d/0": owned("d/0", "m9"), "e/0": owned("e/0"),
    }  # fmt: skip
    vacated, others = taken_back({"a/0": owned("a/0", wanted=Wanted.STOPPED)}, edit, ("a/0",))
    assert (vacated, others) == ({"a/0": owned("a/0")}, ())
