"""Latencies in words, with two digits or three, or as the bucket that they are in."""

import math

from profiles.latency.slo import Quantile


def latency(seconds: float) -> str:
    """`<1 ms`, `212 ms`, `2.5 s`, `41 s`."""
    value, unit = _parted(seconds)
    return f"{value} {unit}"


def quantile(value: Quantile) -> str:
    """One number, or the bucket it is in: `212 ms`, `2.5–5 s`, `<10 ms`, `>80 s`."""
    if value.low_s == value.high_s:
        return latency(value.low_s)
    if value.low_s <= 0:
        return f"<{latency(value.high_s)}"
    if math.isinf(value.high_s):
        return f">{latency(value.low_s)}"
    low, low_unit = _parted(value.low_s)
    high, high_unit = _parted(value.high_s)
    if low_unit == high_unit:
        return f"{low}–{high} {high_unit}"
    if high_unit == "s" and value.low_s >= 0.1:
        return f"{value.low_s:g}–{high} s"
    return f"{low} {low_unit}–{high} {high_unit}"


def _parted(seconds: float) -> tuple[str, str]:
    if seconds < 0.0005:
        return ("0" if seconds <= 0 else "<1"), "ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}", "ms"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0"), "s"
    return f"{seconds:.0f}", "s"
