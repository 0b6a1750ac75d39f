"""A ready engine: the verdict on it, and how far its drain is."""

import time
from collections.abc import Callable

from agents.instances.checkup import Checkup
from agents.instances.dialogue import Dialogue
from agents.instances.draining import drain_reason
from agents.instances.granted import Confinement
from agents.instances.liveness import SERVING, Pace, Verdict
from engines.base import EngineSample
from profiles.observed.status import Phase, Reason


class Serving:
    """From ready to its end. `dialogue` None is an engine whose adapter is gone: it is left in peace. `door` says why
    requests may still come to it through a gateway; only without one does it count what the engine has left to do."""

    def __init__(
        self,
        dialogue: Dialogue | None,
        pace: Pace,
        changed: Callable[[], None],
        confinement: Confinement,
        door: Callable[[], Reason | None],
    ) -> None:
        self._dialogue = dialogue
        self._confinement = confinement
        self._door = door
        self._since_s = time.monotonic()
        self._drains_since_s: float | None = None
        self._left: Reason | None = None
        self._checkup: Checkup | None = None
        if dialogue is not None:
            self._checkup = Checkup(dialogue.port, dialogue.probe, dialogue.liveness, dialogue.key, pace, changed)

    @property
    def verdict(self) -> Verdict:
        found = self._checkup.verdict if self._checkup else SERVING
        if found.phase is Phase.READY and (loose := self._confinement.problem):
            return Verdict(Phase.DEGRADED, loose)
        return found

    @property
    def cut_off(self) -> str:
        """What a stop now would cut off, as far as the drain has seen; "" for nothing."""
        return self._left.text if self._left and self._left.code != "empty" else ""

    def lasted_s(self) -> float:
        return time.monotonic() - self._since_s

    def scraped(self, sample: EngineSample) -> None:
        if self._checkup:
            self._checkup.scraped(sample)

    async def held(self) -> Reason:
        """How it stands with an engine that is to be held empty."""
        if entering := self._door():
            return entering
        found = drain_reason(await self._dialogue.sample() if self._dialogue else EngineSample())
        if self.verdict.phase is Phase.STALLED:
            return Reason("draining", f"{found.text}; {self.verdict.reason.text}", self.verdict.reason.hint)
        return found

    async def drain(self, limit_s: float) -> Reason | None:
        """What an end still waits for; None once it is empty, or out of time. A stalled one would never be empty."""
        now_s = time.monotonic()
        if self._drains_since_s is None:
            self._drains_since_s = now_s
        if self._dialogue is None or self.verdict.phase is Phase.STALLED or now_s - self._drains_since_s >= limit_s:
            return None
        self._left = self._door() or drain_reason(await self._dialogue.sample())
        return self._left if self._left.code != "empty" else None

    def take_back(self) -> None:
        """No drain any more."""
        self._drains_since_s = self._left = None

    def close(self) -> None:
        self._confinement.close()
        if self._checkup:
            self._checkup.close()
