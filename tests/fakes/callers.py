"""People who ask a gateway at a steady rate and do not wait for each other's answers."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.instances import probe

LIMIT_S = 30.0


class Callers:
    """`statuses` counts answers by their status, 0 for none; `said` has the first of each."""

    def __init__(self, port: int, per_s: float, tokens: int = 4) -> None:
        self.statuses: Counter[int] = Counter()
        self.said: dict[int, str] = {}
        self.took_s: list[float] = []
        self._port = port
        self._pause_s = 1 / per_s
        self._body = json.dumps({"model": "m", "prompt": "hello", "max_tokens": tokens}).encode()

    @property
    def failed(self) -> dict[int, int]:
        return {status: count for status, count in self.statuses.items() if status != 200}

    async def one(self) -> int:
        began_s = time.monotonic()
        try:
            answer = await probe.post(self._port, "/v1/completions", self._body, LIMIT_S)
            status, text = answer.status, answer.body.decode(errors="replace")
        except probe.ProbeFailed as error:
            status, text = 0, str(error)
        self.statuses[status] += 1
        self.took_s.append(time.monotonic() - began_s)
        self.said.setdefault(status, text)
        return status

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """All that was asked meanwhile is answered at the end."""
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._ask(tasks))
            try:
                yield
            finally:
                asking.cancel()

    async def _ask(self, tasks: asyncio.TaskGroup) -> None:
        next_s = time.monotonic()
        while True:
            tasks.create_task(self.one())
            next_s += self._pause_s
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
