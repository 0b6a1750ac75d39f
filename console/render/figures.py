"""Numbers as they are read: unknown is `–`, what can never be known is `n/a`, zero is zero."""

from collections.abc import Mapping

from console.render.table import Cell, Tone
from engines.base import Histogram

UNKNOWN = "–"
NEVER = "n/a"
COARSE_RATIO = 1.5
"""A bucket wider than this is shown as itself; inside a narrower one a quantile is interpolated."""


def number(value: float | None, digits: int = 0) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{100 * ratio:.0f}%"


def gib(mib: float | None) -> str:
    return UNKNOWN if mib is None else f"{mib / 1024:.1f}"


def age(seconds: float | None) -> str:
    """Two units at most: 42 s, 3m12s, 2h05m, 3d04h."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def quantile(histogram: Histogram, q: float) -> tuple[float, float | None] | None:
    """The (low, high) seconds that hold quantile `q`; high None is without bound; None with no observation."""
    if not histogram.count:
        return None
    rank, low, below = q * histogram.count, 0.0, 0.0
    for high, count in zip(histogram.bounds_s, histogram.counts, strict=False):
        if count >= rank:
            if low and high / low <= COARSE_RATIO:
                at = low + (high - low) * (rank - below) / max(count - below, 1e-9)
                return at, at
            return low, high
        low, below = high, count
    return low, None


def latency(histogram: Histogram | None, q: float, field: str, absent: Mapping[str, str]) -> Cell:
    """One quantile; it sorts by its upper end."""
    if field in absent:
        return Cell(NEVER, tone=Tone.DIM)
    found = quantile(histogram, q) if histogram else None
    if found is None:
        return Cell(UNKNOWN, tone=Tone.DIM)
    low, high = found
    if high is None:
        return Cell(f"> {duration(low)}", float("inf"))
    if low == high:
        return Cell(duration(high), high)
    if low == 0:
        return Cell(f"< {duration(high)}", high)
    if high < 1:
        return Cell(f"{1000 * low:.0f}–{1000 * high:.0f} ms", high)
    return Cell(f"{low:.3g}–{high:.3g} s", high)


def said(value: float | None, field: str, absent: Mapping[str, str], digits: int = 0) -> Cell:
    """A figure of an engine or a GPU that may be unknown for now or for good."""
    if field in absent:
        return Cell(NEVER, tone=Tone.DIM)
    return Cell(number(value, digits), value, Tone.DIM if value is None else Tone.PLAIN)


def bar(ratio: float | None, width: int) -> str:
    """A bar of `width` cells on the fixed scale 0–1."""
    if ratio is None:
        return UNKNOWN
    filled = round(min(max(ratio, 0), 1) * width)
    return "█" * filled + "·" * (width - filled)
