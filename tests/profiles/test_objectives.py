import pytest

from profiles.latency.burn import Objective
from profiles.latency.objectives import BadSlo, Slo, SloRequest


def test_promises_as_a_node_counts_them() -> None:
    found = SloRequest(ttft_p95="800ms", itl_p50="50ms", errors="0.1%", min_ready=1).slo(2)
    assert found.latency == (Objective("ttft_p95", "ttft", 0.8, 0.05), Objective("itl_p50", "itl", 0.05, 0.5))
    assert found.errors_ratio == pytest.approx(0.001)
    assert found.min_ready == 1
    assert found.allowed() == {"ttft_p95": 0.05, "itl_p50": 0.5, "errors": 0.001, "ready": 0.001}


def test_nothing_promised_counts_nothing() -> None:
    assert SloRequest().slo(1) == Slo()
    assert Slo().allowed() == {}


@pytest.mark.parametrize(
    ("request_", "key", "says"),
    [
        (SloRequest(ttft_p95="800"), "ttft_p95", "no time"),
        (SloRequest(ttft_p95="0ms"), "ttft_p95", "no time"),
        (SloRequest(errors="0.1"), "errors", "no share of requests"),
        (SloRequest(errors="0%"), "errors", "no share of requests"),
        (SloRequest(errors="100%"), "errors", "no share of requests"),
        (SloRequest(min_ready=3), "min_ready", "3 of 2 replicas"),
        (SloRequest(min_ready=-1), "min_ready", "-1 of 2 replicas"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name(request_: SloRequest, key: str, says: str) -> None:
    with pytest.raises(BadSlo, match=says) as caught:
        request_.slo(2)
    assert caught.value.key == key
