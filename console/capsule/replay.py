"""A capsule in the place of the fleet: it feeds a Store by a clock of its own, and answers what a node answered.

    wall clock ── × speed, while it plays ──► now ──► Moments of each node ──► Store.receive ──► the same screens
                        seek ──► now, and everything is seen anew

The screens ask it for history, logs and revisions as they ask nodes; whatever changes something is refused.
"""

import asyncio
import time
from collections.abc import Callable

from msgspec.structs import replace

from agents.wire import AnswerT, AnyAsk, Delta, Happened, ReadLog, Snapshot
from console.capsule import answers
from console.capsule.moment import Moments
from console.capsule.pack import Capsule, NodeCapsule
from console.remote.errors import RequestFailed
from console.store import NodeState, Store
from profiles.desired.model import Desired
from profiles.observed.status import NodeStatus, Reason

FEED_EVERY_S = 0.25
SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
PAST_ONLY = "this is a replay of a capsule: what was cannot be changed"

_GAP = Reason("gap", "the capsule holds no reading of it at this moment", "seek to another: ← →")


class Replay:
    """Begins at the start of the window, playing; stops by itself at its end."""

    def __init__(self, capsule: Capsule, clock: Callable[[], float] = time.monotonic) -> None:
        self.capsule = capsule
        self.store = Store(wall=lambda: self.now_unix_s)
        self.speed = 1.0
        self.plays = True
        self._clock = clock
        self._at_unix_s, self._since_s = capsule.from_unix_s, clock()
        self._nodes = {node.name: node for node in capsule.nodes}
        self._moments = {node.name: Moments(node) for node in capsule.nodes}
        self._fed_unix_s: float | None = None
        """None after a seek: nothing of before holds."""
        self._whole: set[str] = set()
        """Nodes that were seen since then."""
        for node in capsule.nodes:
            self.store.add_node(node.name, node.site, node.labels, node.owner)
            self.store.nodes[node.name].clock_skew_s = node.clock_skew_s

    @property
    def now_unix_s(self) -> float:
        """By the clock of the console that made the capsule."""
        passed_s = (self._clock() - self._since_s) * self.speed if self.plays else 0.0
        return min(self._at_unix_s + passed_s, self.capsule.to_unix_s)

    @property
    def badge(self) -> str:
        """`REPLAY ▶ 2×`"""
        at_end = self.now_unix_s >= self.capsule.to_unix_s
        return f"REPLAY {'■ end' if at_end else '▶' if self.plays else '‖ paused'} {self.speed:g}×"

    def toggle(self) -> None:
        self._hold()
        self.plays = not self.plays

    def seek(self, by_s: float) -> None:
        self.go(self.now_unix_s + by_s)

    def go(self, at_unix_s: float) -> None:
        """To a moment, or the end of the window that is nearer to it; shown at once."""
        self._at_unix_s = min(max(at_unix_s, self.capsule.from_unix_s), self.capsule.to_unix_s)
        self._since_s, self._fed_unix_s = self._clock(), None
        self.feed()

    def faster(self, by: int) -> None:
        """So many places along SPEEDS."""
        self._hold()
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + by, 0), len(SPEEDS) - 1)]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.feed()
            await asyncio.sleep(FEED_EVERY_S)

    def feed(self) -> None:
        """Bring the store to now."""
        now = self.now_unix_s
        if self._fed_unix_s is None:
            self._whole.clear()
            self.store.recorded.series.clear()
            self.store.recorded.latency.clear()
            for view in self.store.nodes.values():
                view.events.clear()
        for node in self.capsule.nodes:
            self._feed_node(node, now)
        self._fed_unix_s = now

    def _feed_node(self, node: NodeCapsule, now: float) -> None:
        at = now + node.clock_skew_s
        since = self._fed_unix_s + node.clock_skew_s if self._fed_unix_s is not None else 0.0
        status = self._moments[node.name].status_at(at)
        if status is None:
            self.store.link(node.name, NodeState.UNREACHABLE, _GAP)
            return
        desired = self._moments[node.name].desired_at(at)
        status = replace(status, at_unix_s=at)
        if node.name in self._whole:
            self.store.receive(node.name, _delta(self.store, node.name, status, desired))
        else:
            self._whole.add(node.name)
            self.store.receive(node.name, Snapshot(status=status, desired=desired))
        if events := tuple(one for one in node.events if since < one.at_unix_s <= at):
            self.store.receive(node.name, Happened(events=events))

    def _hold(self) -> None:
        """What has passed so far was at the speed of so far."""
        self._at_unix_s, self._since_s = self.now_unix_s, self._clock()

    # What the screens ask a fleet (console.screens.session.FleetDoor)

    async def request(
        self, node: str, ask: AnyAsk, answer: type[AnswerT], *, deadline_s: float = 10.0, bulk: bool = False
    ) -> AnswerT:
        """What the node answered, up to now. Raises RequestFailed for all that is not in the capsule."""
        if isinstance(ask, ReadLog) and ask.offset is not None:
            await asyncio.sleep(ask.wait_s)  # nothing is ever added
        told = answers.answer(self._nodes[node], ask, self.now_unix_s + self._nodes[node].clock_skew_s)
        if not isinstance(told, answer):
            raise RequestFailed(Reason("unavailable", PAST_ONLY, "it is in no capsule either: ask the node"), node)
        return told

    def retry(self, node: str) -> None:
        """There is nothing to reach."""

    def unknown_key(self, node: str) -> None:
        return None

    def trust(self, node: str) -> None:
        """There is nobody to trust."""

    def rotation(self, node: str) -> None:
        return None

    def record(self, node: str) -> None:
        """There are no keys."""


def _delta(store: Store, node: str, status: NodeStatus, desired: Desired) -> Delta:
    view = store.nodes[node]
    return Delta(
        at_unix_s=status.at_unix_s, host=status.host, gpu_source=status.gpu_source, gpus=status.gpus,
        gpus_gone=tuple(view.gpus.keys() - {gpu.uuid for gpu in status.gpus}), instances=status.instances,
        instances_gone=tuple(view.instances.keys() - {one.name for one in status.instances}),
        desired=desired, troubles=status.troubles, internals=status.internals,
    )  # fmt: skip
