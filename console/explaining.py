"""Asks nodes for all that a verdict wants of a GPU, an instance or a service, and gives the verdict.

One node is asked for its host, the GPUs and who is on them, at once; a console that connects later asks the same.
"""

import asyncio
from collections.abc import Collection, Mapping

from msgspec.structs import replace

from agents.wire import History, ReadHistory
from console.evidence import Told, evidence_of_gpu, evidence_of_instance, told
from console.operations import Requests
from console.processes import list_into
from console.remote.errors import RequestFailed
from console.store import Key, Kind, NodeState, NodeView, Store
from profiles.explain.evidence import Axis, Evidence
from profiles.explain.verdict import Verdict, explain, worst
from profiles.observed.history import HistoryKind

LAST_S = 900.0
FINE_S, COARSE_S = 1.0, 10.0
"""Nodes remember a quarter of an hour by the second, and a day by ten."""


async def explained(fleet: Requests, store: Store, key: Key, last_s: float = LAST_S) -> Verdict:
    """Of a service its worst replica, of a GPU its worst tenant. What is longer ago is looked at only where the last
    quarter of an hour was calm."""
    verdict = worst([explain(one) for one in await gathered(fleet, store, key, min(last_s, LAST_S))], _name(store, key))
    if last_s <= LAST_S or verdict.hurt is not None:
        return verdict
    return worst([explain(one) for one in await gathered(fleet, store, key, last_s)], _name(store, key))


async def gathered(fleet: Requests, store: Store, key: Key, last_s: float = LAST_S) -> list[Evidence]:
    """What each instance that `key` stands for can be judged by; of a GPU without one, the GPU itself."""
    by_node: dict[str, list[str]] = {}
    for one in subjects(store, key):
        by_node.setdefault(one.node, []).append(one.name)
    if key.kind is Kind.GPU:
        by_node.setdefault(key.node, [])
    return [
        one
        for found in await asyncio.gather(*(_of_node(fleet, store, node, names, key, last_s)
                                            for node, names in by_node.items()))
        for one in found
    ]  # fmt: skip


def node_of(store: Store, key: Key, verdict: Verdict) -> str:
    """The node by whose clock a verdict's times are."""
    return next((one.node for one in subjects(store, key) if one.name == verdict.subject), key.node)


def subjects(store: Store, key: Key) -> list[Key]:
    """The instances that are judged."""
    match key.kind:
        case Kind.INSTANCE:
            return [key] if key.name in store.nodes[key.node].instances else []
        case Kind.SERVICE:
            return store.members(key)
        case _:
            return [
                Key(Kind.INSTANCE, key.node, status.name)
                for status in store.nodes[key.node].instances.values()
                if any(one.gpu_uuid == key.name for one in status.slices)
            ]


async def _of_node(
    fleet: Requests, store: Store, node: str, names: Collection[str], key: Key, last_s: float
) -> list[Evidence]:
    view = store.nodes[node]
    uuids = {one.gpu_uuid for name in names for one in view.instances[name].slices}
    if key.kind is Kind.GPU:
        uuids.add(key.name)
    wanted = {
        HistoryKind.HOST: ("",), HistoryKind.GPU: tuple(sorted(uuids)),
        HistoryKind.INSTANCE: tuple(sorted({*names, *_neighbours(view, uuids)})),
    }  # fmt: skip
    found = await _past(fleet, store, view, wanted, last_s)
    judged = [evidence_of_instance(view, name, found) for name in names if name in view.instances]
    gpu = view.gpus.get(key.name) if key.kind is Kind.GPU else None
    return judged or ([evidence_of_gpu(view, gpu, found)] if gpu else [])


def _neighbours(view: NodeView, uuids: Collection[str]) -> list[str]:
    return [name for name, one in view.instances.items() if any(part.gpu_uuid in uuids for part in one.slices)]


async def _past(
    fleet: Requests, store: Store, view: NodeView, wanted: Mapping[HistoryKind, tuple[str, ...]], last_s: float
) -> Told:
    step_s = FINE_S if last_s <= LAST_S else COARSE_S
    now_unix_s = store.wall() + view.clock_skew_s
    begin = (now_unix_s - last_s) // step_s * step_s
    axis = Axis(begin, step_s, int((now_unix_s - begin) // step_s) + 1)
    answers: dict[HistoryKind, list[History]] = {}

    async def ask(kind: HistoryKind, names: tuple[str, ...]) -> None:
        wants = ReadHistory(kind=kind, names=names, from_unix_s=begin, step_s=step_s)
        while True:
            try:
                piece = await fleet.request(view.name, wants, History)
            except RequestFailed:
                return
            answers.setdefault(kind, []).append(piece)
            if piece.next_from_unix_s is None:
                return
            wants = replace(wants, from_unix_s=piece.next_from_unix_s)

    if view.state is NodeState.UP:
        asks = [ask(kind, names) for kind, names in wanted.items() if names]
        await asyncio.gather(*asks, list_into(fleet, store, view.name))
    return told(axis, now_unix_s, answers)


def _name(store: Store, key: Key) -> str:
    if key.kind is Kind.GPU:
        gpu = store.nodes[key.node].gpus.get(key.name)
        return f"{key.node}/{gpu.index if gpu else '?'}"
    return key.name.partition(":")[2] if key.kind is Kind.SERVICE else key.name
