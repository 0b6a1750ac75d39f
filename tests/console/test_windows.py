"""Latency over 1, 5 and 30 minutes, goodput and traffic: what is added up, and what is left out."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from console.cli.lists import serving_line
from console.recorded import Latency
from console.render.fit import Line
from console.render.goodput import all_good, good_cell, goodput
from console.render.gpus import GPU_COLUMNS, gpu_row
from console.render.nodes import NODE_COLUMNS, node_row
from console.render.service import service_lines
from console.render.traffic import traffic
from console.render.windows import latency_lines, observed
from console.store import Key, Kind, NodeState, Store
from profiles.latency.burn import Misses
from profiles.latency.slo import bucket
from profiles.observed.history import HistogramSeries
from tests.fakes.fleet import filled, serving

BOUNDS = (0.1, 0.12, 1.0)
FAST, SLOW, NONE = (0.0, 10.0, 10.0, 10.0), (0.0, 0.0, 10.0, 10.0), None
LLAMA = Key(Kind.SERVICE, "", "chat-prod:llama-70b")
FIRST, SECOND = (Key(Kind.INSTANCE, "fra-1", f"llama-70b/{at}") for at in (0, 1))


def told(*counts: tuple[float, ...] | None) -> Latency:
    series = HistogramSeries(bounds_s=BOUNDS, counts=counts, sum_s=(1.0,) * len(counts))
    return Latency(0.0, 10.0, {"ttft": series})


def texts(lines: Iterable[Line]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def test_a_window_ends_now_and_leaves_out_steps_that_nobody_scraped() -> None:
    past = told(*[SLOW] * 150, *[FAST] * 20, *[NONE] * 10)
    five, seen_s = observed([past], "ttft", 300.0)
    assert five is not None
    assert (five.counts, seen_s) == ((0.0, 200.0, 200.0, 200.0), 200.0)
    half_hour, seen_s = observed([past], "ttft", 1800.0)
    assert half_hour is not None
    assert (half_hour.count, seen_s) == (1700.0, 1700.0)
    found = bucket(half_hour, 0.95)
    assert found is not None
    assert (found.low_s, found.high_s) == (0.12, 1.0)
    assert observed([past], "itl", 300.0) == (None, 0.0)


def test_replicas_add_up_bucket_by_bucket() -> None:
    both, seen_s = observed([told(*[FAST] * 30), told(*[SLOW] * 10)], "ttft", 300.0)
    assert both is not None
    assert (both.counts, seen_s) == ((0.0, 300.0, 400.0, 400.0), 300.0)


def test_a_window_that_is_not_covered_says_so() -> None:
    reading = serving(10, 0, 0.5)
    lines = texts(latency_lines([reading], [told(*[FAST] * 30)], 100))
    assert [line.split() for line in lines if "min" in line] == [
        ["5", "min", "110", "ms", "119", "ms", "120", "ms"],
        ["30", "min", "110", "ms", "119", "ms", "120", "ms", "5m00s", "of", "it", "seen"],
    ]
    assert not [line for line in texts(latency_lines([reading], [], 100)) if "min" in line]


def test_errors_and_hits_are_of_those_that_say() -> None:
    one = replace(serving(9, 3, 0.5), failed_per_s=1.0, prefix_cache_hit_ratio=0.5, prompt_tok_s=300.0)
    other = replace(serving(10, 0, 0.5), failed_per_s=None, prefix_cache_hit_ratio=0.1, prompt_tok_s=100.0)
    found = traffic([one, other])
    assert (found.requests_per_s, found.error_ratio, found.waiting) == (19, 0.1, 3)
    assert found.prefix_cache_hit_ratio == pytest.approx(0.4)
    assert traffic([]).error_ratio is None
    assert traffic([replace(one, requests_per_s=0.0, failed_per_s=0.0)]).error_ratio is None


def misses(store: Store, **found: Misses) -> None:
    view = store.nodes["fra-1"]
    counted = {name: (one,) * 3 for name, one in found.items()}
    view.instances["llama-70b/1"] = replace(view.instances["llama-70b/1"], misses=counted)


def test_goodput_is_what_surely_met_every_target_of_requests() -> None:
    store = filled()
    view = store.nodes["fra-1"]
    misses(store, ttft_p95=Misses(100, 10, 20), errors=Misses(100, 5, 5), ready=Misses(60, 60, 60))
    found = goodput(view, view.instances["llama-70b/1"])
    assert found == pytest.approx((11.8 * 0.75, 11.8 * 0.9))
    assert good_cell(found).text == "8.9–10.6"
    misses(store)
    assert goodput(view, view.instances["llama-70b/1"]) is None
    assert all_good([None, (1.0, 2.0), (3.0, 3.0)]) == (4.0, 5.0)
    assert all_good([None]) is None


def test_the_page_of_a_service_adds_its_replicas_up() -> None:
    store = filled()
    store.recorded.latency[FIRST] = told(*[SLOW] * 180)
    store.recorded.latency[SECOND] = told(*[FAST] * 180)
    lines = texts(service_lines(store, LLAMA, 120))
    page = "\n".join(lines)
    assert "2 of 3 ready" in page
    assert "requests/s 23.9   errors 0%" in page
    assert "$35.40 an hour" in page
    assert next(line for line in lines if line.startswith("   30 min")).split()[2:] == [
        "120",
        "ms",
        *["0.12–1", "s"] * 2,
    ]
    assert sum(line.startswith(" llama-70b/") for line in lines) == 3
    assert "no replica any more" in texts(service_lines(store, LLAMA._replace(name="p:gone"), 120))[1]


def test_a_gpu_shows_its_worst_tenant() -> None:
    store = filled()

    def cells(index: int) -> tuple[str, str]:
        row = gpu_row(store, Key(Kind.GPU, "fra-1", f"GPU-fra-1-{index}"))
        assert row is not None
        found = {column.id: cell.text for column, cell in zip(GPU_COLUMNS, row.cells, strict=True)}
        return found["ttft"], found["burn"]

    assert cells(0) == ("2.5–5 s", "17.8×")
    view = store.nodes["fra-1"]
    view.instances["llama-70b/1"] = replace(view.instances["llama-70b/1"], slices=view.instances["llama-70b/0"].slices)
    assert cells(0) == ("2.5–5 s", "17.8×"), "the other one is faster"
    assert cells(7) == ("–", "–")


def test_a_node_is_as_well_as_its_worst_instance() -> None:
    row = node_row(filled(), Key(Kind.NODE, "fra-1"))
    assert row is not None
    found = {column.id: cell.text for column, cell in zip(NODE_COLUMNS, row.cells, strict=True)}
    assert (found["requests"], found["tokens"], found["burn"]) == ("23.9", "3,585", "17.8×")


def test_the_fleet_in_a_line() -> None:
    assert serving_line(filled()) == "req/s 112.3   tokens/s 16,845   worst burn 17.8× llama-70b/0   $70.80/h"
    store = filled()
    store.link("fra-1", NodeState.UNREACHABLE)
    assert "worst burn 0.2×" in serving_line(store), "what a lost node said last is in no sum"
