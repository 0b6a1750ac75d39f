"""Asks one ready engine what its scrapes do not tell, and keeps the verdict on it."""

import asyncio
import time
from collections.abc import Callable

from agents.instances import probe
from agents.instances.keys import Key
from agents.instances.liveness import SERVING, Pace, Pulse, Verdict
from engines.abilities import Liveness
from engines.base import EngineSample, Probe


class Checkup:
    """Runs from `__init__` to `close`. `changed` is called when the verdict is another one.

    Not in a child process: it is one small bounded exchange at a time, on loopback, with a peer that we started.
    """

    def __init__(
        self, port: int, asked: Probe, liveness: Liveness, key: Key, pace: Pace, changed: Callable[[], None]
    ) -> None:
        self.verdict: Verdict = SERVING
        self._port = port
        self._probe = asked
        self._liveness = liveness
        self._key = key
        self._pace = pace
        self._pulse = Pulse(liveness, pace, time.monotonic())
        self._changed = changed
        self._task = asyncio.create_task(self._run())

    def scraped(self, sample: EngineSample) -> None:
        self._pulse.scraped(time.monotonic(), sample)
        self._judge()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pace.look_s)
            now_s = time.monotonic()
            if self._pulse.wants_health(now_s):
                self._pulse.health_answered(await self._status(self._probe.ready_path) == 200)
            if self._pulse.wants_token(now_s):
                await self._ask_token()
            self._judge()

    def _judge(self) -> None:
        verdict = self._pulse.verdict(time.monotonic())
        if verdict != self.verdict:
            self.verdict = verdict
            self._changed()

    async def _ask_token(self) -> None:
        asked = self._liveness.one_token
        assert asked is not None
        try:
            answer = await probe.post(self._port, asked.path, asked.body, asked.timeout_s, key=self._key.value())
            status: int | None = answer.status
        except probe.ProbeFailed:
            status = None
        self._pulse.token_asked(time.monotonic(), status)

    async def _status(self, path: str) -> int | None:
        try:
            return (await probe.get(self._port, path, self._probe.timeout_s, key=self._key.value())).status
        except probe.ProbeFailed:
            return None
