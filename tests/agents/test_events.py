import asyncio
from pathlib import Path

import pytest

from agents.events import EventLog
from profiles.status import EventKind


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    assert (log.first_seq, log.last_seq) == (1, 0)
    log.append(EventKind.AGENT, "one", author="ann")
    log.close()
    log = EventLog(path)
    assert log.append(EventKind.AGENT, "two").seq == 2
    assert [event.text for event in log.after(0, 10)] == ["one", "two"]
    assert [event.text for event in log.after(1, 10)] == ["two"]
    assert [event.text for event in log.after(0, 1)] == ["one"]
    log.close()


def test_bounded_in_memory_and_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, kept=10)
    for number in range(1, 101):
        assert log.append(EventKind.AGENT, "x").seq == number
        assert log.last_seq - log.first_seq < 20
        assert len(path.read_bytes().splitlines()) <= 20
    log.close()
    again = EventLog(path, kept=10)
    assert (again.first_seq, again.last_seq) == (log.first_seq, 100)
    again.close()


def test_torn_last_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(EventKind.AGENT, "one")
    log.close()
    path.write_bytes(path.read_bytes() + b'{"seq":2,"at')
    log = EventLog(path)
    assert log.append(EventKind.AGENT, "two").seq == 2
    log.close()
    log = EventLog(path)
    assert [event.text for event in log.after(0, 9)] == ["one", "two"]
    log.close()


def test_damage_is_kept_aside_and_told(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(EventKind.AGENT, "one")
    log.close()
    path.write_bytes(b"garbage\n" + path.read_bytes())
    log = EventLog(path)
    first, told = log.after(0, 9)
    assert (first.text, told.code) == ("one", "state_damaged")
    assert (tmp_path / "events.jsonl.corrupt").read_bytes().startswith(b"garbage")
    log.close()


async def test_wait_after(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    waiting = asyncio.create_task(log.wait_after(1))
    log.append(EventKind.AGENT, "one")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.05)
    log.append(EventKind.AGENT, "two")
    await asyncio.wait_for(waiting, 5)
    assert log.last_seq == 2
    log.close()
