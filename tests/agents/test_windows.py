from typing import cast

import pytest

from agents.sampling.windows import Window
from engines.base import Engine, EngineSample, Histogram


class Absent:
    absent = {"requests_failed": "never says", "prefix_cache_hits": "no cache", "ttft": "no histogram"}


def new_window() -> Window:
    return Window(cast(Engine, Absent()))


def sample(tokens: float, count: float = 0.0) -> EngineSample:
    return EngineSample(running=3.0, generation_tokens=tokens, e2e=Histogram((1.0,), (0.0, count), count * 2.0))


def test_the_first_scrape_has_gauges_and_no_rates() -> None:
    reading = new_window().add(10.0, 1000.0, sample(50.0))
    assert (reading.running, reading.generation_tok_s, reading.e2e, reading.window_s) == (3.0, None, None, 0.0)
    absent = {"failed_per_s": "never says", "prefix_cache_hit_ratio": "no cache", "ttft": "no histogram"}
    assert reading.absent == absent


def test_rates_follow_ten_seconds_and_histograms_a_minute() -> None:
    window = new_window()
    for second in range(0, 102, 2):
        tokens = second * 10.0 if second <= 80 else 800.0 + (second - 80) * 100.0
        reading = window.add(float(second), 1000.0 + second, sample(tokens, float(second)))
    assert reading.generation_tok_s == pytest.approx(100.0)
    assert reading.window_s == 60.0
    assert reading.e2e is not None
    assert reading.e2e.count == 60.0


def test_a_counter_that_began_anew_is_not_negative() -> None:
    window = new_window()
    window.add(0.0, 0.0, sample(1000.0))
    assert window.add(2.0, 2.0, sample(30.0)).generation_tok_s == 15.0


def test_late_scrapes_still_give_a_rate() -> None:
    window = new_window()
    window.add(0.0, 0.0, sample(0.0))
    assert window.add(30.0, 30.0, sample(300.0)).generation_tok_s == 10.0


def test_tokens_in_flight_are_tokens_and_an_end_between_two_pages_is_no_restart() -> None:
    window = new_window()
    pages = ((100.0, 0.0), (100.0, 40.0), (100.0, 80.0), (100.0, 0.0), (220.0, 0.0))
    rates = []
    for second, (counted, flying) in enumerate(pages):
        now = EngineSample(generation_tokens=counted, generation_tokens_in_flight=flying)
        rates.append(window.add(second * 11.0, 0.0, now).generation_tok_s)
    assert rates == [None, pytest.approx(40 / 11), pytest.approx(40 / 11), 0.0, pytest.approx(120 / 11)]


def test_why_requests_ended_and_what_was_cached() -> None:
    window = new_window()
    window.add(0.0, 0.0, EngineSample(finish_reasons={"stop": 5.0}, prefix_cache_hits=10.0, prefix_cache_queries=100.0))
    now = EngineSample(
        finish_reasons={"stop": 9.0, "length": 2.0, "abort": 0.0}, prefix_cache_hits=60.0, prefix_cache_queries=200.0
    )
    reading = window.add(2.0, 2.0, now)
    assert reading.finished_per_s == {"stop": 2.0, "length": 1.0}
    assert reading.prefix_cache_hit_ratio == 0.5
    assert window.add(4.0, 4.0, now).finished_per_s == {"stop": 1.0, "length": 0.5}
