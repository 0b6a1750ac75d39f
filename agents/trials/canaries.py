"""Canaries of all instances that want them: one at a time on a node, each in a child that is thrown away.

due ──► Bench of one request ──► CanaryReading ──► shown with the instance
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

from agents.trials.bench import Bench
from agents.trials.job import Job
from agents.trials.trials import TargetOf
from profiles.latency.canary import REMEMBERED, CanaryReading, reading
from profiles.latency.trial import Trial

LOOK_EVERY_S = 1.0
ONE = Trial(prompt_tokens=1, answer_tokens=1, timeout_s=20.0)


class Canaries:
    """`due` are the instances that take requests now, with the seconds between two canaries."""

    def __init__(
        self,
        target_of: TargetOf,
        due: Callable[[], Mapping[str, float]],
        show: Callable[[str, CanaryReading | None], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._target_of = target_of
        self._due = due
        self._show = show
        self._wall = wall
        self._asked_s: dict[str, float] = {}
        self._ttft_s: dict[str, deque[float | None]] = {}

    async def run(self) -> None:
        """Until cancelled; no child is left behind."""
        while True:
            due = self._due()
            for name in self._ttft_s.keys() - due.keys():
                del self._ttft_s[name]
                self._show(name, None)
            for name, every_s in due.items():
                if time.monotonic() - self._asked_s.get(name, float("-inf")) >= every_s:
                    await self._ask(name)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _ask(self, name: str) -> None:
        target = self._target_of(name)
        if target is None:
            return
        self._asked_s[name] = time.monotonic()
        at_unix_s = self._wall()
        bench = Bench(Job(target, ONE))
        await bench.run()
        level = bench.levels[0] if bench.levels else None
        error = bench.problem or (next(iter(level.errors), "") if level else "")
        known = self._ttft_s.setdefault(name, deque(maxlen=REMEMBERED))
        known.append(level.ttft_p50_s if level and not error else None)
        self._show(name, reading(at_unix_s, tuple(known), error))
