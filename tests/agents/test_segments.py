"""History on a real directory: bounded, in order, and readable after everything that a disk does."""

import errno
import os
from pathlib import Path

import pytest

from agents.past.segments import Limits, Segments
from agents.past.steps import InstanceStep, Step, counted, histogram_of, plain, values_of
from engines.base import Histogram
from profiles.observed.history import NAN

BOUNDS = (0.1, 0.5)


def step(slot: int, size: int = 0) -> Step:
    return Step(slot, 1000.0 + slot, [0.5, None], {"g" * (size or 1): [1]}, {})


def opened(directory: Path, limits: Limits | None = None, boot: str = "boot") -> tuple[Segments, list[str]]:
    told: list[str] = []
    return Segments(directory, boot, lambda text, code: told.append(code), limits or Limits()), told


def put(segments: Segments, *slots: int, size: int = 0) -> None:
    for slot in slots:
        segments.append(lambda number, slot=slot: step(slot, size))


def slots(segments: Segments) -> list[int]:
    return [placed.step.slot for path in segments.paths() for placed in segments.read(path)]


def test_steps_come_back_as_they_were_put(tmp_path: Path) -> None:
    segments, told = opened(tmp_path / "h")
    put(segments, 0, 10)
    again, _ = opened(tmp_path / "h", boot="next")
    put(again, 5)
    placed = [one for path in again.paths() for one in again.read(path)]
    assert [(one.step.slot, one.boot_id) for one in placed] == [(0, "boot"), (10, "boot"), (5, "next")]
    assert placed[0].step == step(0)
    assert len(again.paths()) == 1, "the next agent goes on with the file"
    assert told == []


def test_the_number_and_the_size_of_files_are_bounded(tmp_path: Path) -> None:
    segments, _ = opened(tmp_path / "h", Limits(steps=4, files=3))
    put(segments, *range(100))
    assert slots(segments) == list(range(88, 100))
    assert [path.name for path in segments.paths()] == ["00000023.jsonl", "00000024.jsonl", "00000025.jsonl"]
    limits = Limits(steps=1000, file_bytes=2000, files=1000, total_bytes=10_000)
    big, _ = opened(tmp_path / "big", limits)
    put(big, *range(100), size=500)
    assert sum(path.stat().st_size for path in big.paths()) <= limits.total_bytes + 1000
    assert slots(big)[-1] == 99
    assert len(slots(big)) > 5


def test_a_torn_tail_is_cut_and_writing_goes_on(tmp_path: Path) -> None:
    segments, _ = opened(tmp_path / "h")
    put(segments, 1, 2)
    path = segments.paths()[0]
    os.truncate(path, path.stat().st_size - 7)
    again, told = opened(tmp_path / "h")
    put(again, 3)
    assert slots(again) == [1, 3]
    assert told == [], "a crash is no damage"


@pytest.mark.parametrize("cut", range(1, 130, 9))
def test_any_beginning_of_a_file_can_be_opened(tmp_path: Path, cut: int) -> None:
    segments, _ = opened(tmp_path / "h")
    put(segments, 1, 2)
    os.truncate(segments.paths()[0], cut)
    again, _ = opened(tmp_path / "h")
    put(again, 3)
    assert slots(again)[-1] == 3


def test_damage_is_passed_over_and_told_once(tmp_path: Path) -> None:
    segments, told = opened(tmp_path / "h", Limits(steps=2))
    put(segments, 1, 2, 3, 4)
    first, second = segments.paths()
    content = bytearray(second.read_bytes())
    at = content.index(b"step")
    content[at : at + 4] = b"\xff\x00!!"
    second.write_bytes(content)
    first.write_bytes(b"garbage\n")
    assert slots(segments) == slots(segments) == [4]
    assert told == ["history_damaged", "history_damaged"]
    again, told = opened(tmp_path / "h")
    assert told == ["history_damaged"]
    assert slots(again) == [4]
    assert (tmp_path / "h" / "00000001.jsonl.corrupt").read_bytes() == b"garbage\n"


def test_a_newer_format_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "00000007.jsonl").write_bytes(b'["gpuyard-history",2,"boot"]\n')
    segments, told = opened(tmp_path / "h")
    put(segments, 1)
    assert told == ["history_damaged"]
    assert slots(segments) == [1]


def test_a_full_disk_costs_its_time_and_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segments, told = opened(tmp_path / "h")
    histogram = Histogram(BOUNDS, (1.0, 2.0, 2.0), 0.5)

    def counting(slot: int) -> None:
        segments.append(
            lambda number: Step(
                slot, 1.0, [], {}, {"a/0": InstanceStep([], "ready", {"ttft": counted(histogram, number(BOUNDS))})}
            )
        )

    put(segments, 1)
    real = os.write

    def torn(descriptor: int, data: bytes) -> int:
        if b"step" in data:
            real(descriptor, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", torn)
        counting(2)
        counting(3)
    assert told == ["history_refused"]
    counting(4)
    assert told == ["history_refused", "history_written"]
    placed = [one for path in segments.paths() for one in segments.read(path)]
    assert [one.step.slot for one in placed] == [1, 4]
    one = placed[1].step.instances["a/0"].counted["ttft"]
    assert histogram_of(one, placed[1].bounds[one.bounds]) == histogram


def test_values_and_counts_survive_their_short_forms() -> None:
    assert plain([0.5, NAN, 2.0]) == [0.5, None, 2]
    back = values_of([0.5, None], 3)
    assert back[0] == 0.5
    assert [value != value for value in back] == [False, True, True]
    for counts in ((0.0, 0.0, 0.0), (1.0, 1.0, 3.0), (4.0, 4.0, 4.0)):
        histogram = Histogram(BOUNDS, counts, 1.5)
        assert histogram_of(counted(histogram, 0), BOUNDS) == histogram
    assert histogram_of(counted(Histogram(BOUNDS, (1.0, 2.0, 3.0), 1.0), 0), ()) is None
