"""Random kills of shims, with and without a kill of the agent beside: no engine may notice.

Each round kills the shims of all instances, looks that every engine is the same, and restarts all of them, which
gives each a shim again.
"""

import os
import random
import signal
from dataclasses import dataclass

from profiles.observed.status import EventKind, Phase
from tests.faults.invariants import broken, untold
from tests.faults.load import load
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher, watching

NAMES = ("s/0", "s/1", "s/2", "s/3")


@dataclass
class Outcome:
    seed: int
    shim_kills: int = 0
    agent_kills: int = 0
    served: int = 0
    wrong: tuple[str, ...] = ()
    """Requests that failed, engines that died, invariants that broke."""

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.shim_kills} shim kills and {self.agent_kills} agent kills beside them, "
            f"{self.served} requests served while shims were dead; wrong: {len(self.wrong)}"
        )


async def campaign(node: FaultNode, kills: int, seed: int) -> Outcome:
    outcome = Outcome(seed)
    chance = random.Random(seed)
    node.start()
    async with watching(node.layout.socket) as watcher:
        asked = 0
        while outcome.shim_kills < kills and not outcome.wrong:
            asked += 1
            await watcher.edit(lambda _, asked=asked: {name: node.spec(name, asked=asked) for name in NAMES})
            await watcher.until(lambda at=asked: len(node.starts()) == at * len(NAMES), "all are started")
            kept = {name: pid for pid, name, _ in node.starts()[-len(NAMES) :]}
            await watcher.until(lambda now=kept: _ready(watcher) == now, "they are ready")
            await _one_round(node, watcher, kept, chance, outcome)
        outcome.wrong += tuple(untold(node, watcher.events))
    return outcome


def _ready(watcher: Watcher) -> dict[str, int | None]:
    return {name: one.pid for name, one in watcher.instances.items() if one.phase is Phase.READY}


async def _one_round(
    node: FaultNode, watcher: Watcher, kept: dict[str, int], chance: random.Random, outcome: Outcome
) -> None:
    ports = [watcher.instances[name].port or 0 for name in NAMES]
    async with load(ports, pause_s=0.02) as counted:
        for pid in kept.values():
            os.kill(node.shim_of(pid), signal.SIGKILL)
            outcome.shim_kills += 1
        if chance.random() < 0.5:
            node.kill()
            outcome.agent_kills += 1
            await watcher.restarted(node)
        await watcher.until(lambda: counted.served >= 2 * len(NAMES), "requests are served")
        await watcher.until(lambda: _ready(watcher) == kept, "they are ready still")
    outcome.served += counted.served
    ends = [event.text for event in watcher.events if event.kind is EventKind.EXIT and event.code in ("exited", "lost")]
    outcome.wrong += (*counted.failed, *broken(node, watcher, kept), *ends)
