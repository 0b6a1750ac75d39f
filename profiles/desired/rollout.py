"""How careful an apply is: as people write it under `rollout`, and as a plan keeps it."""

from enum import StrEnum

import msgspec

from profiles.text.units import duration_s

MAX_PARALLEL = 1000
MAX_SOAK_S = 3600.0
MAX_DEADLINE_S = 86_400.0


class OnFailure(StrEnum):
    """What becomes of an apply that failed."""

    ROLLBACK = "rollback"
    PAUSE = "pause"


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """At most `max_parallel` replicas of a service are not there at once by the plan's doing; what started is ready
    within `ready_deadline_s` and stays so for `soak_s` before the next wave begins."""

    max_parallel: int = 1
    soak_s: float = 10.0
    ready_deadline_s: float = 900.0
    on_failure: OnFailure = OnFailure.ROLLBACK


class BadRollout(Exception):
    """What the value at `key` should have been."""

    def __init__(self, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


class RolloutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{max_parallel: 1, soak: 10s, ready_deadline: 15m, on_failure: rollback}`."""

    max_parallel: int = 1
    soak: str = "10s"
    ready_deadline: str = "15m"
    on_failure: OnFailure = OnFailure.ROLLBACK

    def rule(self) -> Rollout:
        """Raises BadRollout; files are checked when they are loaded."""
        if not 1 <= self.max_parallel <= MAX_PARALLEL:
            message = f"`max_parallel` must be 1 to {MAX_PARALLEL}, not {self.max_parallel}"
            raise BadRollout("max_parallel", message, "so many replicas of a service may be away at once")
        return Rollout(
            max_parallel=self.max_parallel,
            soak_s=_seconds("soak", self.soak, 0.0, MAX_SOAK_S),
            ready_deadline_s=_seconds("ready_deadline", self.ready_deadline, 1.0, MAX_DEADLINE_S),
            on_failure=self.on_failure,
        )


def _seconds(key: str, text: str, least_s: float, most_s: float) -> float:
    found = duration_s(text)
    if found is None:
        raise BadRollout(key, f"`{text}` is no duration", "a number and ms, s, m, h or d: `30s`")
    if not least_s <= found <= most_s:
        raise BadRollout(key, f"`{key}` must be {least_s:g}s to {most_s:g}s, not {text}", "choose another")
    return found
