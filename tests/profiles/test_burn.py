import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base import Histogram
from profiles.latency.burn import Burn, Misses, add, burn, goodput, over, worst

BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5)
TIMES = st.lists(st.floats(0, 5), max_size=60)


def counted(times_s: list[float], bounds_s: tuple[float, ...] = BOUNDS_S) -> Histogram:
    counts = tuple(float(sum(t <= bound for t in times_s)) for bound in (*bounds_s, math.inf))
    return Histogram(bounds_s, counts, math.fsum(times_s))


def test_a_target_on_a_bound_is_exact() -> None:
    assert over(counted([0.05, 0.4, 0.9, 3.0]), 0.5) == Misses(4, 2, 2)


def test_a_target_inside_a_bucket_leaves_its_observations_open() -> None:
    assert over(counted([0.05, 0.4, 0.9, 3.0]), 0.8) == Misses(4, 1, 2)


def test_a_target_beyond_the_last_bound_may_be_missed_by_the_rest() -> None:
    assert over(counted([0.05, 3.0]), 10.0) == Misses(2, 0, 1)


def test_a_tenth_over_where_a_twentieth_is_allowed_burns_twice() -> None:
    found = burn(over(counted([0.2] * 18 + [2.0] * 2), 1.0), 0.05)
    assert found is not None
    assert found.low == found.high == pytest.approx(2.0)


def test_no_traffic_burns_nothing_and_proves_nothing() -> None:
    assert burn(Misses(), 0.05) is None
    assert worst([None, None]) is None


def test_what_is_certain_is_worse_than_what_may_be() -> None:
    assert worst([Burn(1, 9), None, Burn(2, 2)]) == Burn(2, 2)


def test_a_replica_that_is_slow_is_not_lost_in_the_sum() -> None:
    slow, quick = Misses(10, 10, 10), Misses(990, 0, 0)
    whole = burn(add([slow, quick]), 0.05)
    assert whole is not None
    assert whole.low == pytest.approx(0.2)
    assert worst([burn(slow, 0.05), burn(quick, 0.05)]) == Burn(20, 20)


def test_goodput_knows_what_it_cannot_know() -> None:
    least, most = goodput(100, [Misses(100, 10, 10), Misses(1000, 50, 50)])
    assert least == pytest.approx(85)
    assert most == pytest.approx(90)
    assert goodput(100, []) == (100, 100)


@given(TIMES, st.floats(0.001, 6))
def test_the_truth_is_inside_the_range(times_s: list[float], target_s: float) -> None:
    found = over(counted(times_s), target_s)
    missed = sum(t > target_s for t in times_s)
    assert found.least <= missed <= found.most
    assert found.total == len(times_s)


@given(st.lists(TIMES, max_size=4), st.sampled_from(BOUNDS_S))
def test_replicas_add_up_to_the_service(parts: list[list[float]], target_s: float) -> None:
    together = [t for part in parts for t in part]
    assert add(over(counted(part), target_s) for part in parts) == over(counted(together), target_s)
