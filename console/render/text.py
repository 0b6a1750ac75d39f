"""Values as people read them; the command line and the screens share these. Pure functions, no markup.

Unknown (None) is `–`; what can never be known is `n/a`; zero means zero. Units stand in the column header,
except for times, which carry their own.
"""

import time

from profiles.latency import words
from profiles.latency.slo import Quantile

UNKNOWN = "–"
NOT_AVAILABLE = "n/a"

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


def percent(ratio: float | None) -> str:
    """`94%`; a little more than nothing is `<1%`, so that 0% means none."""
    if ratio is None:
        return UNKNOWN
    return "<1%" if 0 < ratio < 0.005 else f"{ratio * 100:.0f}%"


def gib(mib: float | None) -> str:
    """MiB as GiB with one digit, without the unit: `79.6`."""
    return UNKNOWN if mib is None else f"{mib / 1024:,.1f}"


def number(value: float | None) -> str:
    """A count: `1,576`."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def rate(per_s: float | None) -> str:
    """Something per second: `0.0`, `12.1`, `1,240`."""
    if per_s is None:
        return UNKNOWN
    return f"{per_s:,.0f}" if abs(per_s) >= 999.95 else f"{per_s:.1f}"


def watts(power_w: float | None) -> str:
    return UNKNOWN if power_w is None else f"{power_w:.0f}"


def celsius(temperature_c: float | None) -> str:
    return UNKNOWN if temperature_c is None else f"{temperature_c:.0f}"


def age(seconds: float | None) -> str:
    """How long ago or for how long, in the two largest units: `41s`, `2m14s`, `3h05m`, `3d04h`."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < MINUTE_S:
        return f"{whole}s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}m{whole % MINUTE_S:02d}s"
    if whole < DAY_S:
        return f"{whole // HOUR_S}h{whole % HOUR_S // MINUTE_S:02d}m"
    return f"{whole // DAY_S}d{whole % DAY_S // HOUR_S:02d}h"


def latency(seconds: float | None) -> str:
    """`<1 ms`, `212 ms`, `2.5 s`, `41 s`."""
    return UNKNOWN if seconds is None else words.latency(seconds)


def quantile(value: Quantile | None) -> str:
    """One number, or the bucket it is in: `212 ms`, `2.5–5 s`, `<10 ms`, `>80 s`."""
    return UNKNOWN if value is None else words.quantile(value)


def clock(at_unix_s: float) -> str:
    """The local time of day; with the date where it was not today."""
    then, now = time.localtime(at_unix_s), time.localtime()
    same_day = (then.tm_year, then.tm_yday) == (now.tm_year, now.tm_yday)
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", then)


def one_line(text: str) -> str:
    """`text` without line ends and tabs, for a cell or a message."""
    return " ".join(text.split())


def plural(count: int, word: str) -> str:
    """`1 node`, `3 nodes`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
