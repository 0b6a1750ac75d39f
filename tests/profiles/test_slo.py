"""Windows, replicas and quantiles: exact where the data is, honest where it is not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base import Histogram
from profiles.latency.slo import Quantile, bounds_differ, bucket, merge, quantile, window

BOUNDS_S = (0.1, 0.12, 0.25, 0.3, 1.0, 2.5)
TIMES = st.lists(st.floats(0, 5), max_size=60)


def counted(times_s: list[float], bounds_s: tuple[float, ...] = BOUNDS_S) -> Histogram:
    counts = tuple(float(sum(t <= bound for t in times_s)) for bound in (*bounds_s, math.inf))
    return Histogram(bounds_s, counts, math.fsum(times_s))


def test_a_window_is_what_came_between() -> None:
    found = window(counted([0.05, 0.2]), counted([0.05, 0.2, 0.11, 2.0]))
    assert found is not None
    assert found.counts == counted([0.11, 2.0]).counts
    assert found.sum_s == pytest.approx(2.11)


def test_after_a_restart_the_new_life_is_the_window() -> None:
    newer = counted([0.2])
    assert window(counted([0.05, 0.2, 3.0]), newer) == newer


def test_a_restart_shows_in_any_bucket() -> None:
    older, newer = counted([2.0]), counted([0.05, 0.06, 4.0])
    assert window(older, newer) is not None
    older = counted([0.05, 0.05])
    newer = counted([0.2, 0.3, 0.4])
    assert window(older, newer) == newer


def test_scrapes_of_other_bounds_cannot_be_compared() -> None:
    assert window(counted([1.0]), counted([1.0], (0.5, 1.0))) is None


def test_replicas_of_other_bounds_meet_at_those_that_both_have() -> None:
    parts = [counted([0.2, 0.9]), counted([0.4, 0.6], (0.5, 1.0))]
    assert merge(parts) == counted([0.2, 0.9, 0.4, 0.6], (1.0,))
    assert bounds_differ(parts)
    assert not bounds_differ([parts[0], parts[0]])
    assert merge([]) is None


def test_no_observations_have_no_quantile() -> None:
    assert quantile(counted([]), 0.95) is None
    assert bucket(counted([]), 0.95) is None


def test_a_narrow_bucket_is_interpolated() -> None:
    found = quantile(counted([0.11] * 4), 0.5)
    assert found is not None
    assert found.low_s == found.high_s == pytest.approx(0.11)


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (0.05, Quantile(0.0, 0.1)),
        (0.7, Quantile(0.3, 1.0)),
        (2.0, Quantile(1.0, 2.5)),
        (9.0, Quantile(2.5, math.inf)),
    ],
)
def test_a_wide_bucket_is_shown_as_it_is(time_s: float, expected: Quantile) -> None:
    assert quantile(counted([time_s]), 0.95) == expected


@given(TIMES, TIMES)
def test_a_window_undoes_a_merge(before: list[float], during: list[float]) -> None:
    older = counted(before)
    found = window(older, counted(before + during))
    assert found is not None
    assert found.counts == counted(during).counts
    merged = merge([older, counted(during)])
    assert merged is not None
    assert merged.counts == counted(before + during).counts


@given(TIMES.filter(bool), st.floats(0, 1))
def test_the_exact_quantile_lies_in_the_bucket(times_s: list[float], q: float) -> None:
    rank = max(1, math.ceil(q * len(times_s) - 1e-9))
    exact = sorted(times_s)[rank - 1]
    inside, shown = bucket(counted(times_s), q), quantile(counted(times_s), q)
    assert inside is not None
    assert shown is not None
    assert inside.low_s <= exact <= inside.high_s
    assert inside.low_s <= shown.low_s <= shown.high_s <= inside.high_s
