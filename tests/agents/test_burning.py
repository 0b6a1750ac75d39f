"""Windows of misses against a plain recount of everything that happened."""

import math

from hypothesis import given
from hypothesis import strategies as st

from agents.sampling.burning import SLOT_S, Burning, Burnings, Sliding
from engines.base import EngineSample, Histogram
from profiles.latency.burn import WINDOWS_S, Misses, Objective
from profiles.latency.objectives import Slo

SLO = Slo(latency=(Objective("ttft_p95", "ttft", 0.5, 0.05),), errors_ratio=0.01)
BOUNDS_S = (0.1, 0.5, 1.0)


def sample(times_s: list[float], failed: float = 0) -> EngineSample:
    counts = tuple(float(sum(t <= bound for t in times_s)) for bound in (*BOUNDS_S, math.inf))
    ttft = Histogram(BOUNDS_S, counts, math.fsum(times_s))
    return EngineSample(ttft=ttft, requests_finished=len(times_s), requests_failed=failed)


def test_what_came_between_scrapes_is_counted_against_the_targets() -> None:
    one = Burning(SLO)
    one.scraped(0, 1, sample([9.0] * 50))  # before anybody looked
    one.scraped(2, 1, sample([9.0] * 50 + [0.2, 0.7], failed=1))
    found = one.misses()
    assert found["ttft_p95"] == (Misses(2, 1, 1),) * 3
    assert found["errors"] == (Misses(3, 1, 1),) * 3


def test_another_incarnation_counts_from_its_first_scrape_and_forgives_nothing() -> None:
    one = Burning(SLO)
    one.scraped(0, 1, sample([]))
    one.scraped(2, 1, sample([9.0]))
    one.scraped(4, 2, sample([9.0, 9.0]))
    one.scraped(6, 2, sample([9.0, 9.0, 0.1]))
    assert one.misses()["ttft_p95"][0] == Misses(2, 1, 1)


def test_a_gap_is_in_no_window_that_is_shorter() -> None:
    one = Burning(SLO)
    one.scraped(0, 1, sample([]))
    one.scraped(200, 1, sample([9.0]))
    assert one.misses()["ttft_p95"] == (Misses(), Misses(1, 1, 1), Misses(1, 1, 1))


def test_an_engine_that_counts_no_failures_burns_none() -> None:
    one = Burning(SLO)
    for at_s in (0, 2):
        one.scraped(at_s, 1, EngineSample(requests_finished=at_s))
    assert one.misses()["errors"] == (Misses(),) * 3


def test_time_away_is_counted_and_forgotten_with_the_window() -> None:
    all_ = Burnings()
    all_.look(0, {"chat/0": SLO}, {"chat/0": False})
    assert all_.misses()["chat/0"]["ready"] == (Misses(),) * 3  # it still loads for the first time
    for at_s in range(0, 60, 2):
        all_.look(at_s, {"chat/0": SLO}, {"chat/0": at_s < 30})
    assert all_.misses()["chat/0"]["ready"] == (Misses(30, 15, 15),) * 3
    for at_s in range(60, 160, 2):
        all_.look(at_s, {"chat/0": SLO}, {"chat/0": True})
    minute, five, _ = all_.misses()["chat/0"]["ready"]
    assert minute.most == 0
    assert five == Misses(80, 15, 15)


def test_other_objectives_begin_anew_and_what_is_not_wanted_is_forgotten() -> None:
    all_ = Burnings()
    all_.look(0, {"chat/0": SLO, "rank/0": Slo()}, {})
    assert set(all_.misses()) == {"chat/0"}
    all_.look(2, {"chat/0": Slo(min_ready=1)}, {"chat/0": True})
    assert all_.misses() == {"chat/0": {"ready": (Misses(1, 0, 0),) * 3}}
    all_.look(4, {}, {})
    assert all_.misses() == {}


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 5)), max_size=80))
def test_a_window_is_right_to_a_slot(steps: list[tuple[float, int]]) -> None:
    """All that is younger than the window is in it, and nothing that is older by more than two slots."""
    window_s = WINDOWS_S[0]
    sliding, at_s, seen = Sliding(window_s), 1000.0, []
    for after_s, count in steps:
        at_s += after_s
        sliding.add(at_s, Misses(count, count, count))
        seen.append((at_s, count))
    total = sliding.total()
    surely = sum(count for then_s, count in seen if at_s - then_s <= window_s - 2 * SLOT_S)
    possibly = sum(count for then_s, count in seen if at_s - then_s <= window_s + 2 * SLOT_S)
    assert surely <= total.total <= possibly
    assert total.total == total.least == total.most
