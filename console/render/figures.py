"""Figures as cells: unknown is `–`, what can never be known is `n/a`, zero is zero."""

import time
from collections.abc import Iterable, Mapping

from console.render import text
from console.render.table import Cell, Tone
from engines.base import Histogram
from profiles.latency import slo
from profiles.observed.status import InstanceStatus


def said(value: float | None, field: str, absent: Mapping[str, str], digits: int = 0) -> Cell:
    """A figure of an engine or a GPU that may be unknown for now or for good."""
    if field in absent:
        return Cell(text.NOT_AVAILABLE, tone=Tone.DIM)
    if value is None:
        return Cell(text.UNKNOWN, tone=Tone.DIM)
    return Cell(f"{value:,.{digits}f}", value)


def latency(histogram: Histogram | None, q: float, field: str, absent: Mapping[str, str]) -> Cell:
    """One quantile; it sorts by its upper end."""
    if field in absent:
        return Cell(text.NOT_AVAILABLE, tone=Tone.DIM)
    found = slo.quantile(histogram, q) if histogram else None
    if found is None:
        return Cell(text.UNKNOWN, tone=Tone.DIM)
    return Cell(text.quantile(found), found.high_s)


def first_token(status: InstanceStatus) -> Cell:
    """TTFT p95; of the canary alone, `212 ms c`, where the engine keeps no such histogram."""
    reading, canary = status.reading, status.canary
    absent = reading.absent if reading else {}
    if "ttft" in absent and canary is not None and canary.ttft_p95_s is not None:
        return Cell(f"{text.latency(canary.ttft_p95_s)} c", canary.ttft_p95_s)
    return latency(reading.ttft if reading else None, 0.95, "ttft", absent)


def gib_cell(mib: float | None, tone: Tone = Tone.PLAIN) -> Cell:
    """MiB under a header that says GiB."""
    return Cell(text.gib(mib), None if mib is None else mib / 1024, tone)


def total(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def hundred(ratio: float | None) -> float | None:
    """A ratio as percent, for a column whose header says so."""
    return None if ratio is None else 100 * ratio


def bar(ratio: float | None, width: int) -> str:
    """A bar of `width` cells on the fixed scale 0–1."""
    if ratio is None:
        return text.UNKNOWN
    filled = round(min(max(ratio, 0), 1) * width)
    return "█" * filled + "·" * (width - filled)


def moment(at_unix_s: float, now_unix_s: float) -> str:
    """The local time of day; with the date where it was not the day of `now_unix_s`."""
    then, now = time.localtime(at_unix_s), time.localtime(now_unix_s)
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%m-%d %H:%M:%S", then)
