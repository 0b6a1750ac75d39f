import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.latency.trial import Timing, quantile, summary


def test_a_level_by_hand() -> None:
    timings = [Timing(ttft_s=0.1 * n, e2e_s=0.1 * n + 0.9, tokens=10) for n in range(1, 5)]
    level = summary(2, [*timings, Timing(e2e_s=0.0, error="HTTP 503")], 4.0)
    assert (level.requests, level.failed, level.errors) == (5, 1, {"HTTP 503": 1})
    assert (level.requests_per_s, level.generation_tok_s) == (1.0, 10.0)
    assert level.ttft_p50_s == pytest.approx(0.2)
    assert level.ttft_p95_s == pytest.approx(0.4)
    assert level.itl_p50_s == pytest.approx(0.1)


def test_nothing_answered_has_no_quantile() -> None:
    level = summary(1, [Timing(e2e_s=1.0, error="refused")], 0.0)
    assert (level.requests_per_s, level.ttft_p50_s, level.itl_p50_s, level.e2e_p50_s) == (0.0, None, None, None)


def test_one_token_has_no_time_between_tokens() -> None:
    assert Timing(e2e_s=1.0, ttft_s=1.0, tokens=1).itl_s is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_enough_do_not_exceed(values: list[float], q: float) -> None:
    found = quantile(values, q)
    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) >= q * len(values) - 1e-6
    assert sum(value < found for value in values) < q * len(values) + 1e-6
