"""How long to wait before an engine that ended by itself is started again, and when to give up. Pure."""

from collections.abc import Callable, Sequence

import msgspec

from profiles.desired.restart import Restart


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """An end that nobody asked for: when, seconds after the start, and what the log said.

    `at_s` counts since the boot (CLOCK_BOOTTIME), so that a corrected wall clock changes nothing.
    """

    at_s: float
    lived_s: float
    line: str = ""


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The delay doubles from `first_s` up to `cap_s`. What a service may set is its rule, profiles.desired.restart.

    `jitter_ratio` spreads a delay to both sides, so that engines that fell together do not start together.
    Whatever the rule says, `early_exits` in a row within `early_s` of their starts are enough to give up. Being
    ready for `stable_s` makes earlier ends forgotten.
    """

    first_s: float = 1.0
    cap_s: float = 300.0
    jitter_ratio: float = 0.25
    early_exits: int = 3
    early_s: float = 10.0
    stable_s: float = 600.0

    def delay_s(
        self, crashes: Sequence[Crash], rule: Restart, now_s: float, random: Callable[[], float]
    ) -> float | None:
        """Seconds to wait after the last of `crashes`; None for a crash loop. `random` gives 0 ≤ x < 1."""
        counted = recent(crashes, rule, now_s)
        last = counted[-self.early_exits :]
        early = len(last) == self.early_exits and all(crash.lived_s < self.early_s for crash in last)
        if early or len(counted) >= rule.max_exits:
            return None
        delay_s = min(self.cap_s, self.first_s * 2.0 ** max(0, len(counted) - 1))
        return delay_s * (1 + self.jitter_ratio * (2 * random() - 1))


def recent(crashes: Sequence[Crash], rule: Restart, now_s: float) -> tuple[Crash, ...]:
    """Those that still count."""
    return tuple(crash for crash in crashes if now_s - crash.at_s < rule.window_s)


def loop_text(crashes: Sequence[Crash], rule: Restart) -> str:
    """What a crash loop was like: the line they all ended with, or the first one and the last."""
    lines = [crash.line for crash in crashes if crash.line]
    span_s = crashes[-1].at_s - crashes[0].at_s if crashes else 0.0
    how_often = f"ended by itself {len(crashes)} times within {max(span_s, 1.0):.0f} s"
    if len(crashes) >= rule.max_exits:
        how_often += f" (at most {rule.max_exits} in {rule.window_s:.0f} s)"
    if not lines:
        return how_often
    if len(set(lines)) == 1:
        return f"{how_often}: {lines[-1]}"
    return f"{how_often}: first {lines[0]}; last {lines[-1]}"
