"""Random kills of the agent while engines serve and several instances are edited.

    untouched engines ◄── requests that must not fail      edited instances ◄── start, stop, restart, apply, remove
                              agent: SIGKILL at a random moment, started again, N times

Afterwards the agent is left alone and everything must come to be as its document wants it.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from console.remote.errors import RemoteError
from profiles.desired.model import DesiredInstance, Wanted
from profiles.observed.status import EventKind, InstanceStatus, Phase
from tests.faults.invariants import broken, untold
from tests.faults.load import load
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher, watching

UNTOUCHED = ("u/0", "u/1")
EDITED = ("e/0", "e/1", "e/2")
SETTLE_LIMIT_S = 120.0
LIFE_AT_MOST_S = 1.0
SELF_ENDED = ("exited", "lost")

Instances = dict[str, DesiredInstance]


@dataclass
class Outcome:
    """Counts of one campaign; all but the first six must be empty."""

    seed: int
    kills: int = 0
    edits: int = 0
    starts: int = 0
    served: int = 0
    streaming_s: list[float] = field(default_factory=list)
    """From the start of an agent's process to its first snapshot."""
    failed_requests: list[str] = field(default_factory=list)
    invariants: list[str] = field(default_factory=list)
    ended_by_themselves: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [*self.failed_requests, *self.invariants, *self.ended_by_themselves, *self.unexplained, *self.untold]

    def __str__(self) -> str:
        times = sorted(self.streaming_s) or [0.0]
        return (
            f"seed {self.seed}: {self.kills} kills, {self.edits} edits, {self.starts} engine starts\n"
            f"  {self.served} requests served, {len(self.failed_requests)} failed; invariants broken "
            f"{len(self.invariants)}; engines ended by themselves {len(self.ended_by_themselves)}; unexplained states "
            f"{len(self.unexplained)}; ends not told exactly once {len(self.untold)}\n"
            f"  agent started → streaming, {len(times)} that lived so long: median {median(times):.2f} s, "
            f"p99 {times[int(len(times) * 0.99) - 1]:.2f} s, longest {times[-1]:.2f} s"
        )


async def campaign(node: FaultNode, kills: int, seed: int) -> Outcome:
    """`node` is started here, and runs at the end."""
    outcome = Outcome(seed)
    chance = random.Random(seed)
    node.start()
    async with watching(node.layout.socket) as watcher:
        await watcher.edit(lambda _: {name: node.spec(name) for name in (*UNTOUCHED, *EDITED)})
        kept = {name: (await watcher.until_phase(name)).pid or 0 for name in UNTOUCHED}
        ports = [watcher.instances[name].port or 0 for name in UNTOUCHED]
        async with load(ports) as counted:
            editing = asyncio.create_task(_edit_forever(node, watcher, chance, outcome))
            for _ in range(kills):
                await _one_life(node, watcher, chance, outcome)
            editing.cancel()
            await asyncio.gather(editing, return_exceptions=True)
            await _settle(node, watcher, outcome)
        outcome.served = counted.served
        outcome.failed_requests = [f"{reason} ×{times}" for reason, times in counted.failed.items()]
        outcome.invariants = broken(node, watcher, kept)
        outcome.untold = untold(node, watcher.events)
        outcome.starts = len(node.starts())
        outcome.ended_by_themselves = [
            f"{event.seq} {event.instance} {event.text}"
            for event in watcher.events
            if event.kind is EventKind.EXIT and event.code in SELF_ENDED
        ]
    return outcome


async def _one_life(node: FaultNode, watcher: Watcher, chance: random.Random, outcome: Outcome) -> None:
    """Kill the agent; the next one lives for a random while, from not even started to well at work."""
    node.kill()
    outcome.kills += 1
    await asyncio.sleep(0)  # the watcher sees the end of its stream
    began_s = time.monotonic()
    node.start(wait=False)
    life_s = chance.uniform(0.0, LIFE_AT_MOST_S)
    while time.monotonic() - began_s < life_s:
        await asyncio.sleep(0.005)
    if watcher.since_s and watcher.since_s > began_s:
        outcome.streaming_s.append(watcher.since_s - began_s)


async def _edit_forever(node: FaultNode, watcher: Watcher, chance: random.Random, outcome: Outcome) -> None:
    """A reply may be lost with the agent: then the next edit is made of what the next agent says."""
    while True:
        name = chance.choice(EDITED)
        what = chance.choice(("stop", "start", "restart", "apply", "remove"))
        try:
            await watcher.edit(lambda now, name=name, what=what: edited(node, now, name, what), f"{what} {name}")
            outcome.edits += 1
        except RemoteError:
            pass
        await asyncio.sleep(chance.uniform(0.0, 0.5))


def edited(node: FaultNode, now: Instances, name: str, what: str) -> Mapping[str, DesiredInstance]:
    before = now.pop(name, None)
    if what == "remove" and before:
        return now
    asked = before.spec.restarts_asked if before else 0
    seed = before.spec.options.get("seed", 0) if before else 0
    match what:
        case "stop":
            return now | {name: node.spec(name, wanted=Wanted.STOPPED, asked=asked, seed=seed)}
        case "restart":
            return now | {name: node.spec(name, asked=asked + 1, seed=seed)}
        case "apply":
            return now | {name: node.spec(name, asked=asked, seed=seed + 1)}
        case _:
            return now | {name: node.spec(name, asked=asked, seed=seed)}


async def _settle(node: FaultNode, watcher: Watcher, outcome: Outcome) -> None:
    """Everything comes to be as wanted, or is noted with where it is stuck. A restart may still be under way."""

    def stuck() -> list[str]:
        wanted = watcher.desired.instances
        names = wanted.keys() | watcher.instances.keys()
        return [
            f"{name}: wanted {wanted[name].spec.wanted if name in wanted else 'gone'}, is {_shown(watcher, name)}"
            for name in names
            if not as_wanted(wanted.get(name), watcher.instances.get(name))
        ]

    try:
        await watcher.until(lambda: watcher.since_s and not stuck(), "all is as wanted", SETTLE_LIMIT_S)
        await watcher.until(lambda: not untold(node, watcher.events) and not stuck(), "every end is told")
    except AssertionError:
        outcome.unexplained = stuck()


def as_wanted(owned: DesiredInstance | None, status: InstanceStatus | None) -> bool:
    if owned is None or status is None:
        return owned is None and status is None
    return status.phase is (Phase.READY if owned.spec.wanted is Wanted.RUNNING else Phase.STOPPED)


def _shown(watcher: Watcher, name: str) -> str:
    one = watcher.instances.get(name)
    return f"{one.phase} ({one.reason.text if one.reason else 'no reason'})" if one else "gone"
