"""Latencies over one, five and thirty minutes.

The last minute is what the engines were read as saying; what is longer comes from their nodes, which keep what was
observed in every ten seconds. Buckets add up over steps and over replicas. A step that nobody scraped is in no sum, and
a window that is not covered says how much of it is.
"""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from console.recorded import Latency
from console.render.entries import LABEL, long_entry
from console.render.figures import latency
from console.render.fit import Line
from console.render.table import Tone
from console.render.text import age
from engines.base import Histogram
from profiles.latency import slo
from profiles.observed.history import HISTOGRAMS
from profiles.observed.status import EngineReading

LATENCIES = (("TTFT", "ttft"), ("ITL", "itl"), ("E2E", "e2e"), ("Queue", "queue"))
QUANTILES = (0.5, 0.95, 0.99)
LONGER_S = {"5 min": 300.0, "30 min": 1800.0}
COVERED_RATIO = 0.9
"""The step that is going on is not there yet."""


def latency_lines(readings: Sequence[EngineReading], told: Sequence[Latency], width: int) -> list[Line]:
    """Of one instance, or of the replicas of a service together."""
    window_s = max((reading.window_s for reading in readings), default=0.0)
    lines: list[Line] = [_row("Latency", ["p50", "p95", "p99"], f"over {window_s:.0f} s" if window_s else "", Tone.DIM)]
    absent = absent_of(readings)
    for label, field in LATENCIES:
        now = slo.merge(one for reading in readings if (one := getattr(reading, field)) is not None)
        lines += _field(label, field, now, absent, width)
        if field in HISTOGRAMS and field not in absent:
            lines += [line for name, window_s in LONGER_S.items() if (line := _longer(told, field, name, window_s))]
    return lines


def absent_of(readings: Sequence[EngineReading]) -> Mapping[str, str]:
    """Field → why none of them ever says it."""
    first = readings[0].absent if readings else {}
    return {field: why for field, why in first.items() if all(field in reading.absent for reading in readings)}


def observed(told: Sequence[Latency], field: str, window_s: float) -> tuple[Histogram | None, float]:
    """What was observed in the newest `window_s`, and in how much of that a replica was scraped."""
    parts: list[Histogram] = []
    seen_s = 0.0
    for one in told:
        series = one.histograms.get(field)
        count = len(series.counts) if series else 0
        wanted = range(max(0, count - round(window_s / one.step_s)), count)
        found = [step for at in wanted if series and (step := series.at(at)) is not None]
        parts += found
        seen_s = max(seen_s, len(found) * one.step_s)
    return slo.merge(parts), seen_s


def _field(label: str, field: str, now: Histogram | None, absent: Mapping[str, str], width: int) -> list[Line]:
    cells = [latency(now, q, field, absent) for q in QUANTILES]
    why = absent.get(field, "")
    row = _row(label, [cell.text for cell in cells], "", cells[0].tone)
    if cell_len(why) + 3 <= width - sum(cell_len(text) for text, _ in row):
        return [_row(label, [cell.text for cell in cells], why, cells[0].tone)]
    return [row, *long_entry("", why, width, Tone.DIM)]


def _longer(told: Sequence[Latency], field: str, name: str, window_s: float) -> Line | None:
    """None before a node has told anything."""
    histogram, seen_s = observed(told, field, window_s)
    if not seen_s:
        return None
    partly = "" if seen_s >= COVERED_RATIO * window_s else f"{age(seen_s)} of it seen"
    return _row(f"  {name}", [latency(histogram, q, field, {}).text for q in QUANTILES], partly, Tone.PLAIN)


def _row(label: str, figures: Sequence[str], after: str, tone: Tone) -> Line:
    texts = "".join(f"{figure:>12}" for figure in figures)
    return ((f" {label:<{LABEL}}", Tone.DIM), (texts, tone), (f"   {after}" if after else "", Tone.DIM))
