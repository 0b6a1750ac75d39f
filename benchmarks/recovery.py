"""How soon a console sees things: an engine's end, and frames again after the agent was killed."""

import asyncio
import os
import signal
import statistics
import time

from profiles.observed.status import EventKind
from tests.faults.node import FaultNode, node
from tests.faults.watcher import Edit, Watcher, watching

TIMES = 20


def main() -> None:
    with node() as one:
        ends_s, agents_s = asyncio.run(measure(one))
    for what, found in (("engine killed → event on a console", ends_s), ("agent started → streaming again", agents_s)):
        ordered = sorted(found)
        print(f"{what:36} median {statistics.median(ordered) * 1e3:6.0f} ms   longest {ordered[-1] * 1e3:6.0f} ms")


async def measure(one: FaultNode) -> tuple[list[float], list[float]]:
    one.start()
    async with watching(one.layout.socket) as watcher:
        ends_s, agents_s = [], []
        for turn in range(TIMES):
            name = f"e/{turn}"
            await watcher.edit(only(one, name))
            ends_s.append(await end_of(watcher, (await watcher.until_phase(name)).pid or 0, name))
            one.kill()
            began_s = time.monotonic()
            await watcher.restarted(one)
            agents_s.append(time.monotonic() - began_s)
    return ends_s, agents_s


def only(one: FaultNode, name: str) -> Edit:
    """The edit after which nothing but `name` is wanted."""
    return lambda _: {name: one.spec(name)}


async def end_of(watcher: Watcher, pid: int, name: str) -> float:
    began_s = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    await watcher.until(
        lambda: any(one.kind is EventKind.EXIT and one.instance == name for one in watcher.events), name
    )
    return time.monotonic() - began_s


def ended(watcher: Watcher, name: str) -> bool:
    return any(event.kind is EventKind.EXIT and event.instance == name for event in watcher.events)


if __name__ == "__main__":
    main()
