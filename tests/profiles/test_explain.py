"""Verdicts on seeded worlds: the right cause first, in time, and nobody accused on a calm day."""

import pytest

from profiles.explain.cause import Code, Confidence
from profiles.explain.shift import shift
from profiles.explain.verdict import explain
from tests.profiles.worlds import BEFALLS, world

SEEDS = range(6)


@pytest.mark.parametrize("code", list(BEFALLS))
@pytest.mark.parametrize("seed", SEEDS)
def test_the_cause_is_named_first_and_in_time(code: Code, seed: int) -> None:
    made = world(seed, code)
    verdict = explain(made.evidence())
    assert verdict.causes, verdict
    first = verdict.causes[0]
    assert first.code is code, [(cause.code, cause.score) for cause in verdict.causes]
    late_s = first.first_sign_unix_s - made.at_unix_s
    assert -45 <= late_s <= 10 if code is Code.CHANGE else -2 <= late_s <= 10, late_s
    assert first.numbers
    assert all(other.confidence is not Confidence.HIGH for other in verdict.causes[1:]), verdict.causes


@pytest.mark.parametrize("seed", range(20))
def test_a_calm_quarter_of_an_hour_has_no_cause_and_says_what_was_looked_at(seed: int) -> None:
    verdict = explain(world(seed, None).evidence())
    assert (verdict.hurt, verdict.causes) == (None, ())
    assert len(verdict.ruled_out) >= 8


def test_a_shift_is_found_where_it_is_and_noise_is_none() -> None:
    steady = tuple(10.0 + (step * 7 % 5) for step in range(100))
    assert shift(steady, 1.0) is None
    stepped = (*steady[:60], *(value + 20 for value in steady[60:]))
    found = shift(stepped, 5.0)
    assert found is not None
    assert (found.step, found.up) == (60, True)
    assert shift(stepped, 50.0) is None
    assert shift((None,) * 100, 1.0) is None
    holes = tuple(None if step % 3 else value for step, value in enumerate(stepped))
    again = shift(holes, 5.0)
    assert again is not None
    assert again.step == 60
