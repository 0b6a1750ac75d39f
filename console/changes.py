"""The changes that this console knows of, or asks for: what nodes told, how links went, where traffic stepped."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from agents.wire import History, ReadHistory
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import Key, Kind, NodeState, NodeView, Store
from profiles.explain.evidence import Axis
from profiles.explain.timeline import Change, ChangeKind, Scope, merged, of_event, step_of
from profiles.observed.finding import Severity
from profiles.observed.history import HistoryKind
from profiles.observed.status import InstanceStatus

TRAFFIC_LAST_S = 1800.0
TRAFFIC_STEP_S = 10.0

_LINK_TEXTS = {
    NodeState.UNREACHABLE: ("lost", Severity.PROBLEM), NodeState.REFUSED: ("refused", Severity.PROBLEM),
    NodeState.STALE: ("stale: no word for some seconds", Severity.WARNING), NodeState.UP: ("is back", Severity.OK),
}  # fmt: skip


def scope_of(store: Store, key: Key | None) -> Scope:
    """None is the fleet. An instance's GPUs are of its scope, and so are a GPU's tenants, as they are now."""
    if key is None:
        return Scope()
    if key.kind is Kind.NODE:
        return Scope(node=key.node)
    if key.kind is Kind.GPU:
        view = store.nodes[key.node]
        tenants = {(key.node, one.name) for one in view.instances.values() if key.name in _gpus(one)}
        return Scope(instances=frozenset(tenants), gpus=frozenset({(key.node, key.name)}))
    members = store.members(key) if key.kind is Kind.SERVICE else [key]
    found = [(one.node, status) for one in members if (status := store.nodes[one.node].instances.get(one.name))]
    gpus = {(node, uuid) for node, status in found for uuid in _gpus(status)}
    return Scope(instances=frozenset((one.node, one.name) for one in members), gpus=frozenset(gpus))


def known(store: Store, scope: Scope, steps: Iterable[Change] = (), since_unix_s: float = 0.0) -> Sequence[Change]:
    """Oldest first, by our clock; `steps` are those of traffic, which were asked for."""
    views = store.nodes.values()
    told = (of_event(view.name, event, view.clock_skew_s) for view in views for event in view.events)
    turns = (turn for view in views for turn in _turns(view))
    return merged((*told, *turns, *steps), scope, since_unix_s)


async def traffic_steps(fleet: Requests, store: Store, scope: Scope) -> list[Change]:
    """Of the last half hour, as nodes remember it. A node that does not answer has none."""
    nodes = {node for node, _ in scope.instances | scope.gpus} or ({scope.node} if scope.node else set(store.nodes))
    found = await asyncio.gather(*(_steps(fleet, store.nodes[node]) for node in nodes if store.nodes[node].counted))
    return [change for changes in found for change in changes if scope.holds(change)]


async def _steps(fleet: Requests, view: NodeView) -> list[Change]:
    ask = ReadHistory(kind=HistoryKind.INSTANCE, fields=("requests_per_s",), step_s=TRAFFIC_STEP_S,
                      last_s=TRAFFIC_LAST_S)  # fmt: skip
    try:
        told = await fleet.request(view.name, ask, History)
    except RequestFailed:
        return []
    axis = Axis(told.from_unix_s - view.clock_skew_s, told.step_s, told.steps)
    steps = (step_of(view.name, one.name, one.values.get("requests_per_s", ()), axis) for one in told.series)
    return [step for step in steps if step is not None]


def _turns(view: NodeView) -> Iterator[Change]:
    """How its link went. That it was made at the start is no news."""
    for before, turn in pairwise(view.links):
        if turn.state not in _LINK_TEXTS or (before.state is NodeState.CONNECTING and turn.state is NodeState.UP):
            continue
        what, severity = _LINK_TEXTS[turn.state]
        text = f"{view.name} {what}{f': {turn.text}' if turn.text else ''}"
        yield Change(
            at_unix_s=turn.at_unix_s, kind=ChangeKind.LINK, node=view.name, text=text, severity=severity
        )  # fmt: skip


def _gpus(status: InstanceStatus) -> set[str]:
    return {part.gpu_uuid for part in status.slices}
