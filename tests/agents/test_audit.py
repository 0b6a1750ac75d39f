"""The chain of the audit: what is written is found again, and what is tampered with is found out."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.access.audit import chain
from agents.access.audit.chain import Anchor, hash_at, walk
from agents.access.audit.log import AuditLog
from agents.access.audit.record import Kind, Record, unseal
from agents.errors import Refused
from agents.limits import Limits

RECORD = Record(
    seq=0, prev="", at_unix_s=0, boottime_s=0, boot_id="", agent_version="", kind=Kind.INTENT, verb="setdesired",
    target="chat/0", uid=1000, user="ann", reason="because — ü",
)  # fmt: skip
SEED = 20261124
DAY_S = 86_400.0


def log(directory: Path, **more: object) -> AuditLog:
    return AuditLog(directory / "audit", agent_version="0.1.0", **more)  # type: ignore[arg-type]


def act(audit: AuditLog, number: int = 0) -> None:
    name = audit.intent(RECORD)
    audit.outcome(RECORD, name, "done", f"generation {number}", 0.001)


def only_file(audit: AuditLog) -> Path:
    (path,) = chain.files(audit.directory)
    return path


def test_an_act_is_two_records_of_one_name(tmp_path: Path) -> None:
    audit = log(tmp_path)
    act(audit, 7)
    intent, outcome = (unseal(line)[0] for line in only_file(audit).read_bytes().splitlines(keepends=True))
    assert (intent.kind, intent.seq, intent.user, intent.reason) == (Kind.INTENT, 1, "ann", "because — ü")
    assert (outcome.kind, outcome.act, outcome.text, outcome.result) == (
        Kind.OUTCOME, intent.act, "generation 7", "done",
    )  # fmt: skip
    assert only_file(audit).stat().st_mode & 0o777 == 0o600
    walked = walk(audit.directory)
    assert (walked.problem, walked.records, walked.last) == ("", 2, audit.last)


def test_the_next_daemon_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    act(log(tmp_path))
    audit = log(tmp_path)
    assert audit.last.seq == 2
    act(audit)
    assert walk(audit.directory).records == 4


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    """Each byte of the file, changed in three ways: what it was is never what is read."""
    audit = log(tmp_path)
    act(audit)
    path = only_file(audit)
    whole = path.read_bytes()
    chance = random.Random(SEED)
    for at in range(len(whole)):
        for other in {whole[at] ^ 1, whole[at] ^ 0x20, chance.randrange(256)} - {whole[at]}:
            path.write_bytes(whole[:at] + bytes([other]) + whole[at + 1 :])
            assert walk(audit.directory, audit.last).problem, f"byte {at} changed to {other}"
    path.write_bytes(whole)
    assert not walk(audit.directory, audit.last).problem


@pytest.mark.parametrize("seed", range(SEED, SEED + 20))
def test_records_that_are_dropped_doubled_swapped_or_cut_are_found(tmp_path: Path, seed: int) -> None:
    audit = log(tmp_path)
    for number in range(20):
        act(audit, number)
    path = only_file(audit)
    lines = path.read_bytes().splitlines(keepends=True)
    chance = random.Random(seed)
    at = chance.randrange(len(lines) - 1)
    cut = chance.randrange(1, len(b"".join(lines)))
    damaged = {
        "dropped": lines[:at] + lines[at + 1 :],
        "doubled": [*lines[: at + 1], *lines[at:]],
        "swapped": [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
        "cut": [b"".join(lines)[:cut]],
        "emptied": [],
    }
    for what, rest in damaged.items():
        path.write_bytes(b"".join(rest))
        assert walk(audit.directory, audit.last).problem, what


def test_a_history_written_anew_is_found_by_who_remembers_one_record(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    mine, forged = log(first), log(second)
    for number in range(5):
        act(mine, number)
        act(forged, number + 100)
    known = mine.last
    act(forged)
    assert not walk(forged.directory).problem
    assert "rewritten" in walk(forged.directory, known).problem
    assert hash_at(forged.directory, known.seq) != known.hash
    assert hash_at(mine.directory, known.seq) == known.hash
    assert hash_at(mine.directory, 99) is None
    assert "is known" in walk(mine.directory, Anchor(99, "f" * 64)).problem


def test_files_begin_anew_and_the_oldest_are_dropped_with_a_record_of_it(tmp_path: Path) -> None:
    audit = log(tmp_path, file_bytes=2000, total_bytes=5000)
    for number in range(40):
        act(audit, number)
    found = chain.files(audit.directory)
    assert sum(path.stat().st_size for path in found) < 9000
    walked = walk(audit.directory, audit.last)
    assert (walked.problem, walked.last) == ("", audit.last)
    assert walked.first_seq > 1
    found[0].unlink()
    assert "no record says" in walk(audit.directory).problem


def test_old_files_are_dropped(tmp_path: Path) -> None:
    audit = log(tmp_path, file_bytes=1000)
    for number in range(6):
        act(audit, number)
    before = chain.files(audit.directory)
    os.utime(before[0], (0, 0))
    for number in range(6):
        act(audit, number)
    assert before[0] not in chain.files(audit.directory)
    assert not walk(audit.directory, audit.last).problem


def test_an_unfinished_record_is_cut_and_a_damaged_one_refuses_every_change(tmp_path: Path) -> None:
    act(log(tmp_path))
    path = next((tmp_path / "audit").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":3,"prev":"')
    audit = log(tmp_path)
    assert (audit.problem, audit.last.seq) == ("", 3)
    assert "unfinished" in unseal(path.read_bytes().splitlines(keepends=True)[-1])[0].text
    path.write_bytes(path.read_bytes().replace(b"ann", b"bob", 1))
    broken = log(tmp_path)
    assert "cannot be trusted" in broken.problem
    with pytest.raises(Refused) as refused:
        broken.intent(RECORD)
    assert "move" in refused.value.hint
    assert broken.intent(RECORD, emergency=True)


@pytest.mark.parametrize("directory", ["file", "missing/parent"])
def test_without_a_place_changes_are_refused_and_an_emergency_is_written_later(tmp_path: Path, directory: str) -> None:
    (tmp_path / "file").touch()
    audit = AuditLog(tmp_path / directory, agent_version="0.1.0")
    assert audit.problem
    seen: list[str] = []
    audit.watch(lambda: seen.append(audit.problem))
    with pytest.raises(Refused, match="changes are refused"):
        audit.intent(RECORD)
    name = audit.intent(RECORD, emergency=True)
    audit.outcome(RECORD, name, "done", "stopped", 0.1)
    place = tmp_path / directory
    place.unlink(missing_ok=True)
    place.mkdir(parents=True)
    act(audit)
    assert (audit.problem, seen[-1]) == ("", "")
    texts = [unseal(line)[0].text for line in only_file(audit).read_bytes().splitlines(keepends=True)]
    assert texts == ["", "stopped", "", "generation 0"]


def test_a_flood_of_denials_is_counted(tmp_path: Path) -> None:
    audit = log(tmp_path, limits=Limits(denials_burst=3, denials_per_s=50.0))
    for _ in range(10):
        audit.denied(RECORD, "no")
    count = audit.last.seq
    assert 3 <= count < 10
    while audit.last.seq == count:
        audit.denied(RECORD, "no")
    last = unseal(only_file(audit).read_bytes().splitlines(keepends=True)[-1])[0]
    assert (last.kind, last.uncounted >= 1) == (Kind.DENIED, True)


def test_a_clock_that_went_back_is_on_record(tmp_path: Path) -> None:
    now = [10 * DAY_S]
    audit = log(tmp_path, wall=lambda: now[0])
    act(audit)
    now[0] -= DAY_S
    act(audit)
    jumps = [unseal(line)[0].clock_jump_s for line in only_file(audit).read_bytes().splitlines(keepends=True)]
    assert jumps == [0.0, 0.0, DAY_S, 0.0]
    assert not walk(audit.directory).problem


@pytest.mark.parametrize(
    ("damage", "anchored", "code", "said"),
    [
        (lambda path: None, "", 0, "2 records"),
        (lambda path: None, "2:{hash}", 0, "2 records"),
        (lambda path: None, "2:" + "0" * 64, 1, "rewritten"),
        (lambda path: None, "two", 64, "SEQ:HASH"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2]), "", 1, "cut off"),
    ],
)
def test_the_check_on_the_node_itself(
    tmp_path: Path, damage: Callable[[Path], object], anchored: str, code: int, said: str
) -> None:
    audit = log(tmp_path)
    act(audit)
    damage(only_file(audit))
    words = ["--anchor", anchored.format(hash=audit.last.hash)] if anchored else []
    argv = [sys.executable, "-P", "-m", "agents", "audit", "verify", "--state", str(tmp_path), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, cwd="/", check=False)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done
