"""Values as text: units, ages and quantiles, each at its edges."""

import math
import time

import pytest

from console.render import text
from profiles.latency.slo import Quantile


@pytest.mark.parametrize(
    ("ratio", "shown"), [(None, "–"), (0.0, "0%"), (0.001, "<1%"), (0.005, "0%"), (0.944, "94%"), (1.0, "100%")]
)
def test_percent(ratio, shown):
    assert text.percent(ratio) == shown


@pytest.mark.parametrize(("mib", "shown"), [(None, "–"), (0, "0.0"), (81_559, "79.6"), (2_097_152, "2,048.0")])
def test_gib(mib, shown):
    assert text.gib(mib) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (-3, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (134, "2m14s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (11_100, "3h05m"),
        (86_400, "1d00h"),
        (273_600, "3d04h"),
    ],
)
def test_age(seconds, shown):
    assert text.age(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.0001, "<1 ms"),
        (0.212, "212 ms"),
        (0.9999, "1 s"),
        (2.5, "2.5 s"),
        (5.0, "5 s"),
        (41.2, "41 s"),
    ],
)
def test_latency(seconds, shown):
    assert text.latency(seconds) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.212, 0.212, "212 ms"),
        (2.5, 5.0, "2.5–5 s"),
        (0.25, 0.5, "250–500 ms"),
        (0.5, 1.0, "0.5–1 s"),
        (0.05, 1.0, "50 ms–1 s"),
        (0.0, 0.01, "<10 ms"),
        (80.0, math.inf, ">80 s"),
    ],
)
def test_quantile(low, high, shown):
    assert text.quantile(Quantile(low, high)) == shown


def test_a_missing_quantile_is_unknown():
    assert text.quantile(None) == "–"


@pytest.mark.parametrize(
    ("per_s", "shown"), [(None, "–"), (0.0, "0.0"), (12.14, "12.1"), (310.0, "310.0"), (1240.4, "1,240")]
)
def test_rate(per_s, shown):
    assert text.rate(per_s) == shown


def test_a_clock_of_another_day_says_the_date():
    assert len(text.clock(time.time())) == len("14:08:21")
    assert text.clock(86_400 * 365).startswith("197")


def test_one_line_and_plural():
    assert text.one_line("a\n b\tc") == "a b c"
    assert (text.plural(1, "node"), text.plural(1576, "GPU")) == ("1 node", "1,576 GPUs")
