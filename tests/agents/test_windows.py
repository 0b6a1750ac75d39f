from typing import cast

import pytest

from agents.sampling.windows import Window
from engines.base import Engine, EngineSample, Histogram


class Absent:
    absent = {"requests_failed": "never says", "prefix_cache_hits": "not shown anyway", "ttft": "no histogram"}


def new_window() -> Window:
    return Window(cast(Engine, Absent()))


def sample(tokens: float, count: float = 0.0) -> EngineSample:
    return EngineSample(running=3.0, generation_tokens=tokens, e2e=Histogram((1.0,), (0.0, count), count * 2.0))


def test_the_first_scrape_has_gauges_and_no_rates() -> None:
    reading = new_window().add(10.0, 1000.0, sample(50.0))
    assert (reading.running, reading.generation_tok_s, reading.e2e, reading.window_s) == (3.0, None, None, 0.0)
    assert reading.absent == {"failed_per_s": "never says", "ttft": "no histogram"}


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
