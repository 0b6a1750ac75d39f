import asyncio
import os
from pathlib import Path

import pytest

from agents import events
from agents.events import EventLog
from profiles.observed.status import EventKind


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    assert (log.first_seq, log.last_seq) == (1, 0)
    log.append(EventKind.AGENT, "one", author="ann")
    log = EventLog(path)
    log.append(EventKind.AGENT, "two")
    assert log.last_seq == 2
    assert [event.text for event in log.after(0, 10)] == ["one", "two"]
    assert [event.text for event in log.after(1, 10)] == ["two"]
    assert [event.text for event in log.after(0, 1)] == ["one"]


def test_bounded_in_memory_and_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, kept=10)
    for number in range(1, 101):
        log.append(EventKind.AGENT, "x")
        assert log.last_seq == number
        assert log.last_seq - log.first_seq < 20
        assert len(path.read_bytes().splitlines()) <= 20
    again = EventLog(path, kept=10)
    assert (again.first_seq, again.last_seq) == (log.first_seq, 100)


def test_torn_last_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(EventKind.AGENT, "one")
    path.write_bytes(path.read_bytes() + b'{"seq":2,"at')
    log = EventLog(path)
    log.append(EventKind.AGENT, "two")
    assert log.last_seq == 2
    log = EventLog(path)
    assert [event.text for event in log.after(0, 9)] == ["one", "two"]


def test_damage_is_kept_aside_and_told(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(EventKind.AGENT, "one")
    path.write_bytes(b"garbage\n" + path.read_bytes())
    log = EventLog(path)
    first, told = log.after(0, 9)
    assert (first.text, told.code) == ("one", "state_damaged")
    assert (tmp_path / "events.jsonl.corrupt").read_bytes().startswith(b"garbage")


def test_the_number_of_a_damaged_line_is_not_given_out_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    for text in ("one", "two"):
        log.append(EventKind.AGENT, text)
    path.write_bytes(path.read_bytes().replace(b'"two"', b"tw\xff\xff"))
    assert [event.seq for event in EventLog(path).after(0, 9)] == [1, 3]


def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", refuse)


def test_what_the_disk_refuses_is_held_and_told_in_order_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(EventKind.AGENT, "before")
    written = path.read_bytes()
    with monkeypatch.context() as patch:
        refusing(patch)
        log.append(EventKind.AGENT, "first", code="x")
        log.append(EventKind.AGENT, "second")
        with pytest.raises(OSError, match="No space"):
            log.flush()
        assert (log.held, log.last_seq, path.read_bytes()) == (2, 1, written)
    log.append(EventKind.AGENT, "after")
    told = [(event.seq, event.text) for event in log.after(0, 9)]
    assert told == [(1, "before"), (2, "first"), (3, "second"), (4, "after")]
    assert EventLog(path).after(0, 9) == log.after(0, 9)
    assert log.held == 0


def test_what_cannot_be_held_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HELD_AT_MOST", 3)
    log = EventLog(tmp_path / "events.jsonl")
    with monkeypatch.context() as patch:
        refusing(patch)
        for number in range(8):
            log.append(EventKind.AGENT, str(number))
    assert log.held == 8
    log.flush()
    assert [event.text for event in log.after(0, 9)] == [
        "0", "1", "2", "5 events are missing here: the disk could not take them",
    ]  # fmt: skip


def test_has_knows_kind_instance_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path / "events.jsonl", wall=lambda: 100.0)
    log.append(EventKind.EXIT, "x", instance="a/0")
    assert log.has(EventKind.EXIT, "a/0", 100.0)
    assert not log.has(EventKind.EXIT, "a/0", 100.5)
    assert not log.has(EventKind.EXIT, "b/0", 0.0)
    assert not log.has(EventKind.PHASE, "a/0", 0.0)
    refusing(monkeypatch)
    log.append(EventKind.PHASE, "y", instance="a/0")
    assert log.has(EventKind.PHASE, "a/0", 99.0)


def test_a_file_that_is_deleted_meanwhile_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(EventKind.AGENT, "one")
    path.unlink()
    log.append(EventKind.AGENT, "two")
    assert [event.seq for event in EventLog(path).after(0, 9)] == [2]


async def test_wait_after(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    waiting = asyncio.create_task(log.wait_after(1))
    log.append(EventKind.AGENT, "one")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.05)
    log.append(EventKind.AGENT, "two")
    await asyncio.wait_for(waiting, 5)
    assert log.last_seq == 2
