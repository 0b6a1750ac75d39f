"""The last words of starts that failed, each told for what it was: fixtures/failures, the code in the first line."""

from pathlib import Path

import pytest

from engines.failures import FAILURES, diagnose

LOGS = sorted((Path(__file__).parent / "fixtures" / "failures").glob("*.log"))
ORDINARY = sorted((Path(__file__).parent / "fixtures").glob("*/startup.log"))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_failed_start_is_told_for_what_it_was(log: Path) -> None:
    head, *lines = log.read_text().splitlines()
    known = diagnose(lines)
    assert known is not None
    assert known.failure.code == head.removeprefix("# ").split(" | ")[0]
    assert any(line.endswith(known.line) for line in lines)
    assert not known.line.startswith(("(", "ERROR", "0.0"))


def test_there_are_enough_of_them_and_most_codes_were_seen() -> None:
    seen = {log.read_text().split(" | ")[0].removeprefix("# ") for log in LOGS}
    assert len(LOGS) >= 20
    assert {failure.code for failure in FAILURES} - seen <= {"bad_parallelism", "library_missing", "remote_code"}


@pytest.mark.parametrize("log", ORDINARY, ids=lambda log: log.parent.name)
def test_a_start_that_went_well_tells_of_nothing(log: Path) -> None:
    assert diagnose(log.read_text().splitlines()) is None


def test_what_nobody_knows_is_no_failure_of_the_table() -> None:
    assert diagnose(["RuntimeError: the moon is full"]) is None
    assert diagnose([]) is None


def test_a_word_of_warning_is_no_failure() -> None:
    assert diagnose(["WARNING 11-22 19:45:48 [cuda.py:9] no kernel image is available for FA3, using FA2"]) is None


def test_what_to_do_is_said_for_each() -> None:
    assert all(failure.cause and failure.advice for failure in FAILURES)
    assert len({failure.code for failure in FAILURES}) == len(FAILURES)
