"""Notices that this machine slept. Its links are dead then and do not know it yet."""

import asyncio
from collections.abc import Callable

from console.clock import elapsed_s

LOOK_S = 1.0
SLEPT_S = 5.0


async def watch(woke: Callable[[], None], clock: Callable[[], float] = elapsed_s) -> None:
    """Until cancelled, call `woke` when more than SLEPT_S passed that this process did not see."""
    before_s = clock()
    while True:
        await asyncio.sleep(LOOK_S)
        now_s = clock()
        if now_s - before_s > LOOK_S + SLEPT_S:
            woke()
        before_s = now_s
