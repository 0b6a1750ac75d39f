"""How a latency went: a quantile over the last minute, step by step, for 15 min, as the node remembers."""

from math import inf, nan

from console.recorded import Latency
from profiles.latency.slo import quantile
from profiles.observed.history import rolling

WINDOW_S = 60.0
LAST_S = 900.0


def course(told: Latency, field: str, q: float) -> list[float]:
    """Seconds; NaN where nothing was observed. Of a bucket its upper end, or its lower where it has none."""
    series = told.histograms.get(field)
    if series is None:
        return []
    found = [quantile(one, q) if one else None for one in rolling(series, round(WINDOW_S / told.step_s))]
    found = found[-round(LAST_S / told.step_s) :]
    return [nan if one is None else one.low_s if one.high_s == inf else one.high_s for one in found]
