"""How a ready engine answers when it is tried: one request, or a ramp of them. Times are of the client's own clock."""

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

MAX_REQUESTS = 10_000
MAX_CONCURRENCY = 512
MAX_LEVELS = 12
MAX_TOKENS = 131_072


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """`requests` at each number of `concurrency`, one level after the other."""

    concurrency: tuple[int, ...] = (1,)
    requests: int = 1
    prompt_tokens: int = 128
    """About: a word is counted as one."""
    answer_tokens: int = 64
    timeout_s: float = 300.0
    """Of each request."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One streamed request. `tokens` are counted by the engine where it says, else by pieces that came."""

    e2e_s: float
    ttft_s: float | None = None
    tokens: int = 0
    error: str = ""

    @property
    def itl_s(self) -> float | None:
        """Mean time between tokens."""
        if self.ttft_s is None or self.tokens < 2:
            return None
        return (self.e2e_s - self.ttft_s) / (self.tokens - 1)


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """All requests at one concurrency. Quantiles are exact: of every request that was answered."""

    concurrency: int
    requests: int
    failed: int
    duration_s: float
    requests_per_s: float
    generation_tok_s: float
    ttft_p50_s: float | None = None
    ttft_p95_s: float | None = None
    ttft_p99_s: float | None = None
    itl_p50_s: float | None = None
    itl_p95_s: float | None = None
    e2e_p50_s: float | None = None
    e2e_p95_s: float | None = None
    errors: dict[str, int] = {}


def summary(concurrency: int, timings: Sequence[Timing], duration_s: float) -> Level:
    """`duration_s` is from the first request to the last answer."""
    answered = [one for one in timings if not one.error]
    ttft = [one.ttft_s for one in answered if one.ttft_s is not None]
    itl = [one.itl_s for one in answered if one.itl_s is not None]
    e2e = [one.e2e_s for one in answered]
    per_s = 1 / duration_s if duration_s > 0 else 0.0
    return Level(
        concurrency=concurrency,
        requests=len(timings),
        failed=len(timings) - len(answered),
        duration_s=duration_s,
        requests_per_s=len(answered) * per_s,
        generation_tok_s=sum(one.tokens for one in answered) * per_s,
        ttft_p50_s=quantile(ttft, 0.50), ttft_p95_s=quantile(ttft, 0.95), ttft_p99_s=quantile(ttft, 0.99),
        itl_p50_s=quantile(itl, 0.50), itl_p95_s=quantile(itl, 0.95),
        e2e_p50_s=quantile(e2e, 0.50), e2e_p95_s=quantile(e2e, 0.95),
        errors=dict(Counter(one.error for one in timings if one.error)),
    )  # fmt: skip


def quantile(values: Sequence[float], q: float) -> float | None:
    """The value that a share `q` of `values` does not exceed; None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(q * len(values) - 1e-9) - 1)]


def problem(trial: Trial) -> str:
    """Why it is not to be run; "" when it may."""
    if not 1 <= len(trial.concurrency) <= MAX_LEVELS:
        return f"1 to {MAX_LEVELS} levels of concurrency"
    if any(not 1 <= level <= MAX_CONCURRENCY for level in trial.concurrency):
        return f"a concurrency is 1 to {MAX_CONCURRENCY}"
    if not 1 <= trial.requests * len(trial.concurrency) <= MAX_REQUESTS:
        return f"1 to {MAX_REQUESTS:,} requests in all"
    if not (1 <= trial.prompt_tokens <= MAX_TOKENS and 1 <= trial.answer_tokens <= MAX_TOKENS):
        return f"prompt and answer are 1 to {MAX_TOKENS:,} tokens"
    return ""


class KeptTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What a node keeps of a trial: of which generation, so that revisions can be compared."""

    name: str
    instance: str
    generation: int
    author: str
    at_unix_s: float
    trial: Trial
    levels: tuple[Level, ...] = ()
    problem: str = ""
