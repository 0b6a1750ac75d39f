"""Does an engine make progress? Evidence in, a verdict out. Pure; the caller brings the time.

    ready ─► stalled    requests in flight and no token for `stalled_after_s`, or one token asked for in vain, twice
          ─► degraded   nothing answers, or a token is answered with an error
    stalled ─► ready    a token was made: by anybody's request

`/health` proves nothing: a frozen vLLM answers it, and looks idle if it was idle when it froze. So the proof is
a counter that moves, and an engine that looks idle is asked for a token now and then. A slow engine moves too.
One late scrape is no death: a saturated API server answers after many seconds.
"""

import msgspec

from engines.abilities import Liveness
from engines.base import EngineSample
from profiles.observed.status import Phase, Reason


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How patient an agent is, the same for every engine."""

    look_s: float = 2.0
    stalled_after_s: float = 30.0
    unanswered_after_s: float = 30.0
    idle_after_s: float = 45.0
    """An engine without a token for so long is asked for one."""
    retry_after_s: float = 10.0
    """And again after so long, once it failed to give one."""
    confined_s: float = 15.0
    """Between two looks at whether it is held to its part of a GPU."""


class Verdict(msgspec.Struct, frozen=True):
    """READY, DEGRADED or STALLED, and why."""

    phase: Phase
    reason: Reason


SERVING = Verdict(Phase.READY, Reason("ready", "serves"))
MIN_FLAT_SCRAPES = 3
FAILURES = 2


class Pulse:
    """The evidence on one incarnation since it became ready, at `now_s`."""

    def __init__(self, liveness: Liveness, pace: Pace, now_s: float) -> None:
        self._liveness = liveness
        self._pace = pace
        self._moved_s = self._answered_s = self._asked_s = now_s
        self._busy_since_s: float | None = None
        self._flat_scrapes = 0
        self._last = EngineSample()
        self._failures = 0
        self._error: str = ""
        self._healthy = True
        self._stalled: Reason | None = None

    @property
    def last(self) -> EngineSample:
        """What the newest scrape said."""
        return self._last

    def scraped(self, now_s: float, sample: EngineSample) -> None:
        before, self._last = self._last, sample
        self._answered_s = now_s
        if _moved(before, sample):
            self._moves(now_s)
        elif not in_flight(sample):
            self._busy_since_s = None
        elif self._busy_since_s is None:
            self._busy_since_s, self._flat_scrapes = now_s, 1
        else:
            self._flat_scrapes += 1

    def health_answered(self, ok: bool) -> None:
        self._healthy = ok

    def token_asked(self, now_s: float, status: int | None) -> None:
        """One token was asked for; `status` None had no answer in time.

        A refusal (4xx) proves nothing: the model may have no completions, or the server a key.
        """
        self._asked_s = now_s
        if status is None or status >= 500:
            self._failures += 1
            self._error = "" if status is None else f"HTTP {status}"
        elif status < 300:
            self._moves(now_s)

    def wants_health(self, now_s: float) -> bool:
        return self._is_silent(now_s)

    def wants_token(self, now_s: float) -> bool:
        """Never beside known requests: it would wait behind them and prove nothing."""
        if self._liveness.one_token is None or (in_flight(self._last) and not self._is_silent(now_s)):
            return False
        if self._failures or self._stalled:
            return now_s - self._asked_s >= self._pace.retry_after_s
        return now_s - max(self._moved_s, self._asked_s) >= self._pace.idle_after_s

    def verdict(self, now_s: float) -> Verdict:
        self._stalled = self._stalled or self._stall(now_s)
        if self._stalled:
            return Verdict(Phase.STALLED, self._stalled)
        if self._is_silent(now_s) and not self._healthy:
            text = f"neither its metrics nor its health have been answered for {self._pace.unanswered_after_s:.0f} s"
            return Verdict(Phase.DEGRADED, Reason("unanswered", text, "see its log and the load of the node"))
        if self._failures and self._error:
            text = f"answers a request for one token with {self._error}"
            return Verdict(Phase.DEGRADED, Reason("token_refused", text, "see its log"))
        return SERVING

    def _stall(self, now_s: float) -> Reason | None:
        hint = "see its log; `restart` ends the wait"
        if self._failures >= FAILURES and not self._error:
            assert self._liveness.one_token is not None
            limit_s = self._liveness.one_token.timeout_s
            return Reason("no_answer", f"gave no token within {limit_s:.0f} s when asked for one, twice", hint)
        if self._flat_scrapes >= MIN_FLAT_SCRAPES and self._flat_for_s(now_s) >= self._pace.stalled_after_s:
            text = f"{flying_text(self._last)} and no token in {self._pace.stalled_after_s:.0f} s"
            return Reason("no_progress", text, hint)
        return None

    def _flat_for_s(self, now_s: float) -> float:
        return 0.0 if self._busy_since_s is None else now_s - self._busy_since_s

    def _is_silent(self, now_s: float) -> bool:
        return now_s - self._answered_s > self._pace.unanswered_after_s

    def _moves(self, now_s: float) -> None:
        self._moved_s = now_s
        self._busy_since_s = now_s if in_flight(self._last) else None
        self._flat_scrapes = 0
        self._failures, self._error, self._stalled = 0, "", None


def in_flight(sample: EngineSample) -> float:
    return (sample.running or 0) + (sample.waiting or 0)


def flying_text(sample: EngineSample) -> str:
    """`3 running, 1 waiting`."""
    return f"{sample.running or 0:.0f} running, {sample.waiting or 0:.0f} waiting"


def _moved(before: EngineSample, after: EngineSample) -> bool:
    """More tokens, steps or ends, or a larger share of the cache in use: a long prompt takes blocks long before its
    first token. A share that falls proves nothing: clients that leave free theirs.
    """
    counted = (
        "generation_tokens", "prompt_tokens", "generation_tokens_in_flight", "prompt_tokens_in_flight",
        "iterations", "requests_finished", "kv_usage_ratio",
    )  # fmt: skip
    pairs = ((getattr(before, field), getattr(after, field)) for field in counted)
    return any(now is not None and then is not None and now > then for then, now in pairs)
