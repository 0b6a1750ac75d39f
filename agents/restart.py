"""How long to wait before an engine that ended by itself is started again, and when to give up."""

from collections.abc import Callable, Sequence

import msgspec


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The delay doubles from `first_s` up to `cap_s` with each exit in the last `window_s`; at `max_exits` it is over.

    `jitter_ratio` spreads a delay to both sides, so that engines that fell together do not start together.
    """

    first_s: float = 1.0
    cap_s: float = 300.0
    jitter_ratio: float = 0.25
    max_exits: int = 5
    window_s: float = 600.0

    def recent(self, exits: Sequence[float], now_s: float) -> tuple[float, ...]:
        """The exits that still count."""
        return tuple(at for at in exits if now_s - at < self.window_s)

    def delay_s(self, exits: Sequence[float], now_s: float, random: Callable[[], float]) -> float | None:
        """Seconds to wait after the last of `exits`; None for a crash loop. `random` gives 0 ≤ x < 1."""
        count = len(self.recent(exits, now_s))
        if count >= self.max_exits:
            return None
        delay_s = min(self.cap_s, self.first_s * 2.0 ** max(0, count - 1))
        return delay_s * (1 + self.jitter_ratio * (2 * random() - 1))
