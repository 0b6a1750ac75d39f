"""How a latency went, from the histograms that a node remembers to a line of the instance's page."""

from math import isnan, nan

import pytest

from console.recorded import Latency
from console.render.course import course
from console.render.instance import instance_lines
from console.render.panels import panels
from console.render.spark import chart
from console.render.table import Tone
from console.store import Key, Kind
from profiles.observed.history import HistogramSeries, rolling
from tests.fakes.fleet import filled

BOUNDS = (0.1, 0.12, 0.14)
SLOW, FAST, NONE = (0.0, 0.0, 0.0, 9.0), (0.0, 10.0, 10.0, 10.0), None


def series(*counts: tuple[float, ...] | None) -> HistogramSeries:
    return HistogramSeries(bounds_s=BOUNDS, counts=counts, sum_s=(1.0,) * len(counts))


def test_a_window_rolls_over_steps_and_gaps() -> None:
    found = rolling(series(FAST, NONE, SLOW, NONE, NONE), 2)
    assert [one.counts if one else None for one in found] == [FAST, FAST, SLOW, SLOW, None]
    both = rolling(series(FAST, SLOW), 6)[1]
    assert both is not None
    assert (both.counts, both.sum_s) == ((0.0, 10.0, 10.0, 19.0), 2.0)


def test_a_quantile_is_the_upper_end_of_its_bucket_where_there_is_one() -> None:
    told = Latency(0.0, 60.0, {"ttft": series(FAST, NONE, SLOW, (0.0, 0.0, 0.0, 0.0))})
    values = course(told, "ttft", 0.95)
    assert values[0] == pytest.approx(0.12)
    assert isnan(values[1])
    assert values[2] == 0.14, "beyond the last bound"
    assert isnan(values[3]), "nothing was observed"
    assert course(told, "itl", 0.95) == []


def test_the_page_of_an_instance_draws_it_when_the_node_has_told() -> None:
    store, key = filled(), Key(Kind.INSTANCE, "fra-1", "llama-70b/0")

    def drawn() -> list[str]:
        lines = ["".join(text for text, _ in line) for line in instance_lines(store, key, 120)]
        return [line for line in lines if line.startswith(" TTFT p95")]

    assert drawn() == []
    store.recorded.latency[key] = Latency(0.0, 10.0, {"ttft": series(*[FAST] * 60, *[SLOW] * 30)})
    [line] = drawn()
    assert "█" not in line
    assert line.rstrip().endswith("500 ms  SLO p95 500 ms ┄")
    assert "┄┄┄" in line, "nothing comes near what is promised"


def test_a_chart_tells_zero_from_a_gap_and_draws_what_is_promised() -> None:
    assert chart([0.0, nan, 4.0, 10.0], 10.0, 1) == ["▁ ▄█"]
    assert chart([0.0, nan, 4.0, 10.0], 10.0, 2, line=7.5) == ["┄┄┄█", "▁ ▇█"]


def test_what_is_over_the_promise_is_marked() -> None:
    store, key = filled(), Key(Kind.INSTANCE, "fra-1", "llama-70b/0")
    slow = HistogramSeries(bounds_s=(0.4, 5.0), counts=((9.0, 9.0, 9.0),) * 80 + ((0.0, 9.0, 9.0),) * 10,
                           sum_s=(1.0,) * 90)  # fmt: skip
    store.recorded.latency[key] = Latency(0.0, 10.0, {"ttft": slow})
    lines = panels(store, key, 128)
    texts = ["".join(text for text, _ in line) for line in lines]
    (at,) = [at for at, text in enumerate(texts) if text.startswith(" TTFT p95")]
    assert [len(text) for text, tone in lines[at + 2] if tone is Tone.WARN] == [10], "ten columns of ten seconds"
    assert [text.rstrip()[-12:].strip(" █") for text in texts[at : at + 3]] == ["5 s", "", "p95 500 ms ┄"]
    narrow = ["".join(text for text, _ in line) for line in panels(store, key, 80)]
    assert sum("TTFT p95" in text for text in narrow) == 1
    assert all(len(text) <= 80 for text in narrow)
