"""A request of one token, asked of an instance now and then by its own node, for who has too few requests to tell.

`canary: {every: 30s}` in a service. It fills the time to the first token where an engine keeps no histogram of it, and
shows that an engine that nobody asks still answers.
"""

from collections.abc import Sequence

import msgspec

from profiles.latency.trial import quantile
from profiles.text.units import duration_s

LEAST_S, MOST_S = 5.0, 3600.0
REMEMBERED = 30


class BadCanary(ValueError):
    """A rate that cannot be."""

    def __init__(self, text: str) -> None:
        super().__init__(f"`{text}` is no time between canaries")
        self.message = str(self)
        self.hint = f"from {LEAST_S:.0f}s to {MOST_S / 3600:.0f}h: `30s`"


class CanaryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Left out, no canary is asked: it takes a place in the engine's batch."""

    every: str

    def every_s(self) -> float:
        """Raises BadCanary."""
        found = duration_s(self.every)
        if found is None or not LEAST_S <= found <= MOST_S:
            raise BadCanary(self.every)
        return found


class CanaryReading(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last REMEMBERED canaries of one instance; `at_unix_s` is when the newest was asked."""

    at_unix_s: float
    asked: int
    failed: int
    ttft_s: float | None = None
    """Of the newest; None where it failed."""
    ttft_p50_s: float | None = None
    ttft_p95_s: float | None = None
    error: str = ""
    """Of the newest."""


def reading(at_unix_s: float, ttft_s: Sequence[float | None], error: str) -> CanaryReading:
    """`ttft_s` oldest first, None for each that failed; never empty."""
    answered = [one for one in ttft_s if one is not None]
    return CanaryReading(
        at_unix_s=at_unix_s,
        asked=len(ttft_s),
        failed=len(ttft_s) - len(answered),
        ttft_s=ttft_s[-1],
        ttft_p50_s=quantile(answered, 0.50),
        ttft_p95_s=quantile(answered, 0.95),
        error=error,
    )
