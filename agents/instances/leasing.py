"""Tells, once each, that the lease of an instance ends soon and that it is over. It stops nothing.

The events themselves are the memory: an agent that was away when a lease came near its end tells it when it is back.
"""

import asyncio
import time
from collections.abc import Callable

from agents.events import EventLog
from profiles.desired.lease import LeaseState, in_words, state, warns_s
from profiles.desired.model import Desired, DesiredInstance
from profiles.observed.finding import Severity
from profiles.observed.status import EventKind

LOOKS_S = 10.0
ENDS_SOON, OVER = "lease_ends_soon", "lease_over"
_HINTS = {ENDS_SOON: "apply its profile again to renew it", OVER: "nothing is stopped: renew it, or `down --expired`"}


class Leasing:
    """`desired` is asked for at each look: what is renewed is not told of."""

    def __init__(
        self, desired: Callable[[], Desired], events: EventLog, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._desired, self._events, self._wall = desired, events, wall

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOKS_S)

    def look(self) -> None:
        now = self._wall()
        for name, owned in self._desired().instances.items():
            found = state(owned, now)
            if found is not None and found is not LeaseState.RUNS:
                self._tell(name, owned, OVER if found is LeaseState.OVER else ENDS_SOON, now)

    def _tell(self, name: str, owned: DesiredInstance, code: str, now: float) -> None:
        ends, lease = owned.lease_ends_at_unix_s, owned.spec.lease_s
        assert ends is not None
        assert lease is not None
        since = ends if code == OVER else ends - warns_s(lease)
        if self._events.has(EventKind.DESIRED, name, since, code):
            return
        of = f" (of {owned.owner})" if owned.owner else ""
        text = f"{in_words(owned, now)}{of}: {_HINTS[code]}"
        self._events.append(EventKind.DESIRED, text, instance=name, code=code, severity=Severity.WARNING)
