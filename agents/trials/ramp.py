"""Levels of concurrency, one after the other; at each, so many callers ask one request after the other."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator

from agents.trials.completion import Target, Wanted, complete
from profiles.latency.trial import Level, Timing, Trial, summary

WORDS = (
    "river", "stone", "cloud", "maple", "ember", "signal", "harbor", "violet", "copper", "meadow", "lantern", "orbit",
    "willow", "granite", "falcon", "thistle",
)  # fmt: skip


async def ramp(
    target: Target, trial: Trial, seed: int, progress: Callable[[int], None], level_over: Callable[[Level], None]
) -> None:
    """`progress` gets the number of answers of all levels so far."""
    prompts = _prompts(trial.prompt_tokens, random.Random(seed))
    answered = 0
    for concurrency in trial.concurrency:
        timings: list[Timing] = []
        left = iter(range(trial.requests))
        began_s = time.monotonic()

        async def caller(left: Iterator[int] = left, timings: list[Timing] = timings) -> None:
            nonlocal answered
            for _ in left:
                wanted = Wanted(prompt=next(prompts), answer_tokens=trial.answer_tokens, timeout_s=trial.timeout_s)
                timings.append(await complete(target, wanted))
                answered += 1
                progress(answered)

        async with asyncio.TaskGroup() as callers:
            for _ in range(min(concurrency, trial.requests)):
                callers.create_task(caller())
        level_over(summary(concurrency, timings, time.monotonic() - began_s))


def _prompts(tokens: int, chance: random.Random) -> Iterator[str]:
    """No two alike, from the first word on: a prefix cache would answer the second one for nothing."""
    while True:
        yield " ".join((str(chance.randrange(10**9)), *chance.choices(WORDS, k=max(0, tokens - 1))))
