"""The fleet as the console sees it. No Textual, no network: frames in, views and dirty keys out.

    link ──frame──► Store.receive ──► NodeView, series       screen ◄── Store.take_dirty, once per flush

A view keeps its last values when its node goes quiet; `age_s` and `state` say how old they are.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from agents.wire import Delta, Happened, History, Snapshot
from console.clock import elapsed_s
from console.recorded import Recorded
from console.views import EVENTS_KEPT, Key, Kind, LinkTurn, NodeState, NodeView, process_key, service_of
from profiles.money.prices import Sheet
from profiles.observed.processes import NodeProcess
from profiles.observed.status import GpuReading, InstanceStatus, Reason

__all__ = [
    "EVENTS_KEPT", "STALE_AFTER_S", "UNREACHABLE_AFTER_S",
    "Store", "NodeView", "NodeState", "Key", "Kind", "service_of",
]  # fmt: skip

STALE_AFTER_S = 3.0
UNREACHABLE_AFTER_S = 15.0
CLOCK_JITTER_S = 0.25


class Store:
    """All nodes, the keys that changed since the last flush, and what is recorded over time."""

    def __init__(self, clock: Callable[[], float] = elapsed_s, wall: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.wall = wall
        self.nodes: dict[str, NodeView] = {}
        self.recorded = Recorded()
        self.sheet = Sheet()
        """What GPUs cost; empty until somebody has read it."""
        self._dirty: set[Key] = set()
        self._service_of: dict[Key, Key] = {}
        self._members: dict[Key, dict[Key, None]] = {}
        """The instances of each service, for the kinds that are seen across nodes."""

    def add_node(self, name: str, site: str = "", labels: Mapping[str, str] | None = None, owner: str = "") -> NodeView:
        view = self.nodes[name] = NodeView(name, site, labels or {}, owner)
        self._dirty.add(Key(Kind.NODE, name))
        return view

    def link(self, node: str, state: NodeState, why: Reason | None = None) -> None:
        """The link of `node` changed its state."""
        view = self.nodes[node]
        if view.state is not state:
            view.links.append(LinkTurn(self.wall(), state, why.text if why else ""))
        if (view.state, view.why) != (state, why):
            view.state, view.why = state, why
            self._mark_all(view)

    def offer_keys(self, node: str, waits: bool) -> None:
        """Whether new keys of its host wait for a person's yes."""
        view = self.nodes[node]
        if view.new_keys is not waits:
            view.new_keys = waits
            self._mark_all(view)

    def receive(self, node: str, frame: Snapshot | Delta | Happened) -> None:
        """Take in one telemetry frame of `node`."""
        view = self.nodes[node]
        view.received_at_s = self.clock()
        if view.state is not NodeState.UP:
            self.link(node, NodeState.UP)
        match frame:
            case Snapshot():
                self._snapshot(view, frame)
            case Delta():
                self._delta(view, frame)
            case Happened():
                view.events.extend(frame.events)
        self._dirty.add(Key(Kind.NODE, node))

    def age(self) -> None:
        """Mark nodes that have gone quiet; called by the flush timer."""
        for view in self.nodes.values():
            age = self.age_s(view)
            if age is None or view.state not in (NodeState.UP, NodeState.STALE):
                continue
            if age >= UNREACHABLE_AFTER_S:
                text = f"no word for {age:.0f} s"
                self.link(view.name, NodeState.UNREACHABLE, Reason("silent", text, "the link is being made anew"))
            elif age >= STALE_AFTER_S:
                self.link(view.name, NodeState.STALE)

    def age_s(self, view: NodeView) -> float | None:
        """Seconds since `view` last heard from its node."""
        return None if view.received_at_s is None else self.clock() - view.received_at_s

    def take_dirty(self) -> set[Key]:
        """The keys that changed since the last call."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    def keys(self, kind: Kind, node: str | None = None) -> list[Key]:
        """All keys of one kind, or those of one node."""
        views = self.nodes.values() if node is None else [self.nodes[node]]
        match kind:
            case Kind.NODE:
                return [Key(kind, view.name) for view in views]
            case Kind.GPU:
                return [Key(kind, view.name, uuid) for view in views for uuid in view.gpus]
            case Kind.INSTANCE:
                return [Key(kind, view.name, name) for view in views for name in view.instances]
            case Kind.SERVICE:
                return list(self._members)
            case Kind.PROCESS:
                return [Key(kind, view.name, name) for view in views for name in view.processes]
            case Kind.PROFILE:
                return [Key(kind, "", name) for name in self.profiles()]
            case Kind.REVISION | Kind.CHANGE | Kind.ALERT:
                return []  # of what nodes keep, which is asked for (console.back), or of a time line, or found by rules
            case Kind.USER:
                return [Key(kind, "", user) for user in {one.user: None for _, one in self.processes()}]

    def profiles(self) -> list[str]:
        """Those that have something on a node that answers, or had."""
        documents = [view.desired for view in self.nodes.values() if view.counted]
        owners = {owned.profile for one in documents for owned in one.instances.values()}
        return sorted(owners.union(*(one.standing for one in documents)))

    def members(self, service: Key) -> list[Key]:
        """The instances of a service, on whatever nodes; none once it is gone."""
        return list(self._members.get(service, ()))

    def gpus(self) -> Iterator[tuple[NodeView, GpuReading]]:
        for view in self.nodes.values():
            for reading in view.gpus.values():
                yield view, reading

    def instances(self) -> Iterator[tuple[NodeView, InstanceStatus]]:
        for view in self.nodes.values():
            for status in view.instances.values():
                yield view, status

    def processes(self) -> Iterator[tuple[str, NodeProcess]]:
        """Those that were listed, each with its node."""
        for view in self.nodes.values():
            for one in view.processes.values():
                yield view.name, one

    def remember(self, node: str, kind: Kind, told: History) -> None:
        """The past of a node's GPUs or instances, as the node remembers it."""
        self._dirty.update(self.recorded.fill(node, kind, told))

    def listed(self, node: str, processes: Iterable[NodeProcess]) -> None:
        """All processes of a node, as it just listed them."""
        view = self.nodes[node]
        before, view.unlisted, view.listed_at_s = view.processes, None, self.clock()
        view.processes = {process_key(node, one).name: one for one in processes}
        for name, one in (before | view.processes).items():
            self._dirty |= {Key(Kind.PROCESS, node, name), Key(Kind.USER, "", one.user)}

    def _snapshot(self, view: NodeView, frame: Snapshot) -> None:
        self._mark_all(view)
        view.snapshots += 1
        view.status = frame.status
        view.desired = frame.desired
        self._compare_clocks(view, frame.status.at_unix_s)
        view.gpus = {reading.uuid: reading for reading in frame.status.gpus}
        for name in view.instances.keys() - {status.name for status in frame.status.instances}:
            self._drop(view, name)
        for status in frame.status.instances:
            self._put(view, status)
        self._mark_all(view)

    def _delta(self, view: NodeView, frame: Delta) -> None:
        if view.status is None:
            return
        from msgspec.structs import replace

        self._compare_clocks(view, frame.at_unix_s)
        view.status = replace(
            view.status,
            at_unix_s=frame.at_unix_s,
            host=frame.host or view.status.host,
            gpu_source=frame.gpu_source or view.status.gpu_source,
            gpu_cards=view.status.gpu_cards if frame.gpu_cards is None else frame.gpu_cards,
            troubles=view.status.troubles if frame.troubles is None else frame.troubles,
            kept=frame.kept or view.status.kept,
            internals=view.status.internals if frame.internals is None else frame.internals,
        )
        if frame.desired is not None:
            if frame.desired.cordons != view.desired.cordons:
                self._mark_all(view)
            view.desired = frame.desired
        for uuid in frame.gpus_gone:
            view.gpus.pop(uuid, None)
            self._dirty.add(Key(Kind.GPU, view.name, uuid))
        for name in frame.instances_gone:
            self._drop(view, name)
        for reading in frame.gpus:
            view.gpus[reading.uuid] = reading
            self._dirty.add(Key(Kind.GPU, view.name, reading.uuid))
        for status in frame.instances:
            self._put(view, status)
        self.recorded.add(view, frame.at_unix_s)

    def _compare_clocks(self, view: NodeView, at_unix_s: float) -> None:
        """A time of day on the screen must not jump by a second because one frame took longer."""
        skew_s = at_unix_s - self.wall()
        if abs(skew_s - view.clock_skew_s) >= CLOCK_JITTER_S:
            view.clock_skew_s = skew_s

    def _put(self, view: NodeView, status: InstanceStatus) -> None:
        view.instances[status.name] = status
        key, service = Key(Kind.INSTANCE, view.name, status.name), service_of(status)
        if self._service_of.get(key) != service:
            self._leave(key)
            self._service_of[key] = service
            self._members.setdefault(service, {})[key] = None
        self._dirty |= {key, service}

    def _drop(self, view: NodeView, name: str) -> None:
        view.instances.pop(name, None)
        key = Key(Kind.INSTANCE, view.name, name)
        self._leave(key)
        self._dirty.add(key)

    def _leave(self, instance: Key) -> None:
        service = self._service_of.pop(instance, None)
        if service is None:
            return
        self._dirty.add(service)
        del self._members[service][instance]
        if not self._members[service]:
            del self._members[service]

    def _mark_all(self, view: NodeView) -> None:
        self._dirty.add(Key(Kind.NODE, view.name))
        self._dirty.update(Key(Kind.GPU, view.name, uuid) for uuid in view.gpus)
        for name in view.instances:
            key = Key(Kind.INSTANCE, view.name, name)
            self._dirty |= {key, self._service_of[key]}
