"""The kept documents on a real directory: immutable, bounded, and there again after a crash."""

import errno
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents import state
from agents.errors import Refused
from agents.events import EventLog
from agents.past.revisions import Revisions
from agents.past.tags import Tags
from agents.wire import SetTag
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.desired.standing import Standing


def desired(generation: int, model: str, restarts: int = 0, author: str = "ann") -> Desired:
    spec = InstanceSpec(name="chat/0", service="chat", engine="vllm", model=model, restarts_asked=restarts)
    owned = DesiredInstance(profile="p", revision=generation, spec=spec)
    return Desired(generation=generation, instances={"chat/0": owned}, author=author, reason="r", at_unix_s=5.0)


@pytest.fixture
def events(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "events.jsonl")


def opened(directory: Path, events: EventLog, **more: int) -> Revisions:
    return Revisions(directory / "r", Tags(directory / "tags.json", events), events, **more)


def codes(events: EventLog) -> list[str]:
    return [event.code for event in events.after(0, 99)]


def test_documents_are_kept_with_who_and_why_and_found_again(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events)
    kept.record(Desired())
    kept.record(desired(1, "a"), "profile: p")
    kept.record(desired(2, "b", author="bob"))
    for revisions in (kept, opened(tmp_path, events)):
        assert [(head.generation, head.author, head.what) for head in revisions.heads()] == [
            (0, "", "nothing"), (1, "ann", "+ chat/0"), (2, "bob", "chat/0 model a → b"),
        ]  # fmt: skip
        assert [head.has_text for head in revisions.heads()] == [False, True, False]
        assert revisions.heads()[0].at_unix_s is None
        assert revisions.document(1).profile_text == "profile: p"
        assert revisions.document(1).instances == desired(1, "a").instances
        assert revisions.newest == 2


def test_the_same_meaning_again_pushes_nothing_out(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events, kept=3)
    kept.record(desired(1, "a"))
    kept.record(desired(2, "b"))
    before = {path: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    for generation in range(3, 30):
        kept.record(desired(generation, "b", restarts=generation))
    assert {path: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before
    assert kept.document(29).head.generation == 2


def test_only_the_newest_are_kept(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events, kept=3)
    for generation in range(1, 8):
        kept.record(desired(generation, f"m{generation}"))
    assert [head.generation for head in kept.heads()] == [5, 6, 7]
    assert len(list((tmp_path / "r").iterdir())) == 3
    with pytest.raises(Refused, match="generation 4 is gone") as refused:
        kept.document(4)
    assert refused.value.code == "not_found"
    assert "5" in refused.value.hint


def test_a_damaged_file_is_set_aside_and_told_of(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events)
    kept.record(desired(1, "a"))
    kept.record(desired(2, "b"))
    (tmp_path / "r" / "0000000001.json").write_bytes(b'{"version":1,"da')
    again = opened(tmp_path, events)
    assert [head.generation for head in again.heads()] == [2]
    assert codes(events) == ["state_damaged"]
    assert list((tmp_path / "r").glob("*.corrupt*"))


def test_what_a_full_disk_refuses_is_held_and_written_later(
    tmp_path: Path, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = opened(tmp_path, events)
    kept.record(desired(1, "a"))

    def full(path: Path, data: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(state, "save", full)
        kept.record(desired(2, "b"))
        kept.record(desired(3, "c"), "text")
        with pytest.raises(OSError, match="No space"):
            kept.flush()
    assert opened(tmp_path, events).newest == 1
    assert kept.document(3).profile_text == "text"
    kept.flush()
    again = opened(tmp_path, events)
    assert [head.what for head in again.heads()] == ["+ chat/0", "chat/0 model a → b", "chat/0 model b → c"]
    assert again.document(3).profile_text == "text"


def test_what_a_crash_kept_from_being_written_is_made_up_for(tmp_path: Path, events: EventLog) -> None:
    opened(tmp_path, events).record(desired(1, "a"))
    again = opened(tmp_path, events)
    again.record(desired(2, "b"))
    assert again.heads()[-1].what == "chat/0 model a → b"


def test_what_happened_since_a_generation_names_its_authors(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events)
    for one in (desired(1, "a"), desired(2, "b", author="bob"), now := desired(3, "c", author="")):
        kept.record(one)
    assert kept.since(1, now) == "bob, nobody: chat/0 model a → c"
    assert kept.since(3, replace(now, generation=4, author="eve")) == ""
    assert kept.since(0, now) == ""


def applying(number: int, document: Desired) -> tuple[Desired, Standing]:
    """`document` as revision `number` of p."""
    applied = Standing(profile="p", number=number, digest=f"d{number}", nodes=("here", "there"))
    standing = {"p": replace(applied, nodes=(), author=document.author, at_unix_s=5.0, last=number)}
    return replace(document, standing=standing), applied


def test_a_revision_that_stands_is_kept_with_what_it_replaced(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events, kept=3)
    kept.record(desired(1, "m1"))
    document, applied = applying(1, desired(2, "m2"))
    kept.record(document, "profile: p", applied)
    for generation in range(3, 9):
        kept.record(replace(desired(generation, f"m{generation}"), standing=document.standing))
    for revisions in (kept, opened(tmp_path, events, kept=3)):
        assert [head.generation for head in revisions.heads()] == [1, 2, 6, 7, 8]
        head = revisions.heads()[1]
        assert head.applied is not None
        assert (head.applied.number, head.applied.nodes, head.applied.author) == (1, ("here", "there"), "ann")
        assert revisions.document(2).profile_text == "profile: p"
        assert [revisions.find(generation) is None for generation in range(1, 9)] == [
            False, False, True, True, True, False, False, False,
        ], "what stood in between is gone, and is not taken for something older"  # fmt: skip


def test_a_revision_is_recorded_where_it_changes_nothing(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events)
    kept.record(applying(1, desired(1, "m"))[0])
    kept.record(applying(2, desired(2, "m"))[0])
    kept.record(applying(2, desired(3, "m"))[0])
    assert [(head.generation, head.applied and head.applied.number) for head in kept.heads()] == [(1, 1), (2, 2)]


def test_one_that_has_a_name_is_kept_until_the_name_is_taken_away(tmp_path: Path, events: EventLog) -> None:
    kept = opened(tmp_path, events, kept=2)
    for number in range(1, 4):
        document, applied = applying(number, desired(number, f"m{number}"))
        kept.record(document, "", applied)
        if number == 1:
            assert kept.tag(SetTag(profile="p", tag="known-good", number=1, digest="d1"), "ann") == 0
    again = opened(tmp_path, events, kept=2)
    for number in range(4, 7):
        again.record(*applying(number, desired(number, f"m{number}"))[:1])
    assert [(head.generation, head.tags) for head in again.heads()] == [(1, ("known-good",)), (5, ()), (6, ())]
    assert again.tag(SetTag(profile="p", tag="known-good", number=6, digest="d6"), "ann") == 1
    again.record(applying(7, desired(7, "m7"))[0])
    assert [head.generation for head in again.heads()] == [6, 7]
    assert again.tag(SetTag(profile="p", tag="known-good"), "ann") == 6
    assert codes(events)[-1] == "tagged"


@pytest.mark.parametrize("tag", ["", "r7", "7", "Known", "a b", "-1"])
def test_names_that_could_be_taken_for_something_else_are_refused(tmp_path: Path, events: EventLog, tag: str) -> None:
    kept = opened(tmp_path, events)
    kept.record(applying(1, desired(1, "m"))[0])
    with pytest.raises(Refused, match="no name for a revision"):
        kept.tag(SetTag(profile="p", tag=tag, number=1, digest="d1"), "ann")
    with pytest.raises(Refused) as refused:
        kept.tag(SetTag(profile="p", tag="good", number=1, digest="other"), "ann")
    assert refused.value.code == "not_found"
