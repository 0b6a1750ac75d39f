"""Time that passes while the machine sleeps, too: an age must not stand still because a laptop was closed.

CLOCK_BOOTTIME is Linux's; where it is missing (macOS), CLOCK_MONOTONIC counts sleep already, time.monotonic does not.
"""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    """Seconds since some moment; only differences mean anything."""
    return time.clock_gettime(_CLOCK)
