"""Pages that are whole, cut, foreign, empty: read what is there, never raise, never take half a number."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import registry
from engines.base import EngineSample
from engines.prometheus import Page

PAGE = (Path(__file__).parent / "fixtures/vllm-0.32.0/metrics_after_load.txt").read_text()
WHOLE = registry.get("vllm").sample(PAGE)

TWO_RANKS = """\
h_bucket{rank="0",le="0.1"} 1
h_bucket{rank="0",le="+Inf"} 3
h_sum{rank="0"} 1.5
h_bucket{rank="1",le="0.1"} 2
h_bucket{rank="1",le="+Inf"} 2
h_sum{rank="1"} 0.5
"""


def test_series_add_up_and_peaks_do_not() -> None:
    page = Page('a{x="1"} 2\na{x="2"} 3.5 1700000000\nb 7\n', ["a"])
    assert page.total("a") == 5.5
    assert page.peak("a") == 3.5
    assert page.where("a", "x", "1") == 2
    assert page.total("a", without={"x": "1"}) == 3.5
    assert page.total("b") is None


def test_label_values_may_hold_anything() -> None:
    page = Page('a{m="x} 9 \\"q\\", n=\\\\",k="v w"} 4\n', ["a"])
    assert page.where("a", "m", 'x} 9 "q", n=\\') == 4
    assert page.where("a", "k", "v w") == 4


def test_histograms_of_two_ranks_merge() -> None:
    histogram = Page(TWO_RANKS, ["h"]).histogram("h")
    assert histogram is not None
    assert (histogram.bounds_s, histogram.counts, histogram.sum_s) == ((0.1,), (3, 5), 2.0)


@pytest.mark.parametrize(
    "damage",
    [
        ('h_bucket{rank="1",le="+Inf"} 2\n', ""),
        ('h_sum{rank="1"} 0.5\n', ""),
        ('rank="1",le="0.1"', 'rank="1",le="0.2"'),
        ('le="0.1"} 1', 'le="0.1"} 9'),
        ('le="0.1"', 'le="soon"'),
        ("1.5", "NaN"),
    ],
)
def test_a_damaged_histogram_is_unknown(damage: tuple[str, str]) -> None:
    assert Page(TWO_RANKS.replace(*damage), ["h"]).histogram("h") is None


def test_numbers_that_are_none_are_left_out() -> None:
    page = Page("a NaN\nb +Inf\nc\nd{\ne five\n", ["a", "b", "c", "d", "e"])
    assert [page.total(name) for name in "abcde"] == [None] * 5


@given(st.integers(0, len(PAGE)))
def test_a_page_cut_anywhere_gives_true_numbers_or_none(end: int) -> None:
    sample = registry.get("vllm").sample(PAGE[:end])
    for field in EngineSample.__struct_fields__:
        cut, whole = getattr(sample, field), getattr(WHOLE, field)
        # A label set may lie behind the cut: then a sum is smaller, but never larger or made up.
        assert cut is None or cut == whole or _part(cut, whole), field


def _part(cut: object, whole: object) -> bool:
    if isinstance(cut, dict) and isinstance(whole, dict):
        return all(0 <= value <= whole[name] for name, value in cut.items())
    return isinstance(cut, float) and isinstance(whole, float) and 0 <= cut <= whole


@given(st.text() | st.text(alphabet='vllm:running_{}" =0.1e+,\\\n#', max_size=400))
def test_foreign_text_never_raises(text: str) -> None:
    sample = registry.get("vllm").sample(text)
    assert sample.running is None or math.isfinite(sample.running)
