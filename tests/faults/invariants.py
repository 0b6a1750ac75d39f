"""What must hold after every fault: the I1–I8 of the reliability reference that one node can show.

I1  at most one engine of an instance at any instant      the ledger of tests/faults/engine.py, and /proc
I2  no engine is lost that nobody asked to stop           `kept`: instance → pid before the fault
I3  events have no gap and no number twice                the watcher's record, and the file
I7  files, processes and zombies are back to a baseline   `Usage`
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from profiles.observed.status import Event, EventKind
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher


@dataclass(frozen=True)
class Usage:
    """What the agent's process holds."""

    files: int
    children: int
    zombies: int

    @classmethod
    def of(cls, node: FaultNode) -> "Usage":
        assert node.agent is not None
        process = psutil.Process(node.agent.pid)
        states = [child.status() for child in process.children()]
        zombies = states.count(psutil.STATUS_ZOMBIE)
        return cls(process.num_fds(), len(states) - zombies, zombies)

    def within(self, baseline: "Usage", more_files: int = 0) -> bool:
        files = self.files <= baseline.files + more_files
        return files and self.children <= baseline.children and self.zombies == 0


def broken(node: FaultNode, watcher: Watcher | None = None, kept: dict[str, int] | None = None) -> list[str]:
    """One sentence for each invariant that does not hold."""
    engines = node.engines()
    found = [f"I1: {name} runs {len(pids)} times: {pids}" for name, pids in engines.items() if len(pids) > 1]
    found += [
        f"I1: {name} was started as {pid} beside a living one" for pid, name, said in node.starts() if said != "ok"
    ]
    for name, pid in (kept or {}).items():
        if pid not in engines.get(name, []):
            found.append(f"I2: {name} was {pid}, now there is {engines.get(name)}")
    found += [f"I3: {text}" for text in watcher.wrong] if watcher else []
    return found + numbering(node.layout.events)


def untold(node: FaultNode, events: Sequence[Event]) -> list[str]:
    """Ends of engines that nobody was told of, and those that were told twice.

    An engine that was ended before its program could write into the ledger is told of and not in it.
    """
    started = Counter(name for _, name, _ in node.starts())
    alive = {name: len(pids) for name, pids in node.engines().items()}
    told = Counter(event.instance for event in events if event.kind is EventKind.EXIT)
    ends = {name: count - alive.get(name, 0) for name, count in started.items()}
    found = [f"{name}: {count} ends, {told[name]} told" for name, count in ends.items() if told[name] < count]
    started_since = dict.fromkeys(started, False)
    for event in events:
        if event.kind is EventKind.PHASE and "→ starting" in event.text:
            started_since[event.instance or ""] = True
        elif event.kind is EventKind.EXIT and not started_since.get(event.instance or ""):
            found.append(f"{event.instance}: event {event.seq} tells of an end for the second time")
        elif event.kind is EventKind.EXIT:
            started_since[event.instance or ""] = False
    return found


def numbering(path: Path) -> list[str]:
    """I3 in the file itself."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    numbers = [msgspec.json.decode(line, type=Event).seq for line in lines]
    pairs = itertools.pairwise(numbers)
    return [f"I3: on the disk {after} follows {before}" for before, after in pairs if after != before + 1]
