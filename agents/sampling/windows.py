"""From scrapes to what an engine did lately. Pure.

Rates are over the last ten seconds, to follow a change of traffic; histograms over a minute, to have enough
requests for a quantile. `window_s` of a reading is that of its histograms.
"""

from collections import deque

import msgspec

from engines.base import Engine, EngineSample, Histogram
from profiles.latency.slo import window
from profiles.observed.status import EngineReading

HISTOGRAM_WINDOW_S = 60.0
RATE_WINDOW_S = 10.0

RATES = {
    "requests_finished": "requests_per_s",
    "requests_failed": "failed_per_s",
    "prompt_tokens": "prompt_tok_s",
    "generation_tokens": "generation_tok_s",
    "preemptions": "preemptions_per_s",
}
IN_FLIGHT = {"prompt_tokens": "prompt_tokens_in_flight", "generation_tokens": "generation_tokens_in_flight"}
DERIVED = {"finish_reasons": "finished_per_s", "prefix_cache_hits": "prefix_cache_hit_ratio"}
GAUGES = ("running", "waiting", "kv_usage_ratio")
HISTOGRAMS = ("ttft", "itl", "e2e", "queue")


class Window:
    """The scrapes of one incarnation of an engine."""

    def __init__(self, engine: Engine) -> None:
        names = {**RATES, **DERIVED, **{name: name for name in (*GAUGES, *HISTOGRAMS)}}
        self._absent = {names[field]: why for field, why in engine.absent.items() if field in names}
        self._samples: deque[tuple[float, EngineSample]] = deque()

    def add(self, at_s: float, at_unix_s: float, sample: EngineSample) -> EngineReading:
        """The reading after this scrape; `at_s` is a monotonic time. Rates and histograms need a second scrape."""
        self._samples.append((at_s, sample))
        while at_s - self._samples[0][0] > HISTOGRAM_WINDOW_S:
            self._samples.popleft()
        oldest_s, oldest = self._samples[0]
        recent_s, recent = next(pair for pair in self._samples if at_s - pair[0] <= RATE_WINDOW_S or pair[1] is sample)
        if recent is sample and len(self._samples) > 1:
            recent_s, recent = self._samples[-2]  # scrapes came late: the last two are the best there is
        values: dict[str, object] = {name: getattr(sample, name) for name in GAUGES}
        values |= {rate: _rate(recent, sample, field, at_s - recent_s) for field, rate in RATES.items()}
        values["finished_per_s"] = _finished(recent, sample, at_s - recent_s)
        values["prefix_cache_hit_ratio"] = _hit_ratio(oldest, sample)
        values |= {name: _histogram(oldest, sample, name) for name in HISTOGRAMS if oldest is not sample}
        return msgspec.convert(
            {**values, "at_unix_s": at_unix_s, "window_s": round(at_s - oldest_s, 3), "absent": self._absent},
            EngineReading,
        )


def _rate(older: EngineSample, newer: EngineSample, field: str, elapsed_s: float) -> float | None:
    before, after = getattr(older, field), getattr(newer, field)
    if before is None or after is None or elapsed_s <= 0:
        return None
    if after < before:
        return float(after) / elapsed_s  # it began anew: all it shows was counted since
    flying = IN_FLIGHT.get(field)
    if flying is not None:
        # Two pages are not of one moment: what ends between them is in neither, and counted a scrape later.
        after += getattr(newer, flying) or 0.0
        before += getattr(older, flying) or 0.0
    return max(0.0, float(after - before)) / elapsed_s


def _finished(older: EngineSample, newer: EngineSample, elapsed_s: float) -> dict[str, float]:
    """Requests per second by why they ended; those that never happened are left out."""
    before, after = older.finish_reasons or {}, newer.finish_reasons or {}
    if elapsed_s <= 0:
        return {}
    counts = {reason: count - before.get(reason, 0.0) for reason, count in after.items()}
    return {reason: count / elapsed_s for reason, count in counts.items() if count > 0}


def _hit_ratio(older: EngineSample, newer: EngineSample) -> float | None:
    """Of the prompt tokens asked for in the window, those that were cached; None where none were asked for."""
    numbers = (newer.prefix_cache_hits, older.prefix_cache_hits, newer.prefix_cache_queries, older.prefix_cache_queries)
    hits, hits_before, asked, asked_before = numbers
    if hits is None or hits_before is None or asked is None or asked_before is None or asked <= asked_before:
        return None
    return min(1.0, max(0.0, (hits - hits_before) / (asked - asked_before)))


def _histogram(older: EngineSample, newer: EngineSample, field: str) -> Histogram | None:
    before, after = getattr(older, field), getattr(newer, field)
    return window(before, after) if before is not None and after is not None else None
