"""What the fleet cost in a window of the past: the time that its nodes tell, by the price sheet of now.

ReadSpent to each node ──► Spent ──priced──► Bill of the window, or by service, owner, model, …
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from agents.wire import ReadSpent, Spent, SpentPart
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import NodeView, Store
from profiles.gpu.gputypes import type_of
from profiles.money.cost import Bill, add
from profiles.money.past_bill import bill_of, microusd
from profiles.money.prices import Price
from profiles.money.spent import GpuTime, InstanceTime
from profiles.observed.status import Reason

DEADLINE_S = 30.0
"""A day of a large node is a second of its CPU, and it takes them one after the other."""

SHORT_S = 30.0
"""A window that lacks no more than this was seen whole: steps are of ten seconds."""

BY: Mapping[str, Callable[[NodeView, InstanceTime], str]] = {
    "service": lambda view, had: had.name.rpartition("/")[0],
    "instance": lambda view, had: f"{view.name}:{had.name}",
    "profile": lambda view, had: had.profile,
    "model": lambda view, had: had.model,
    "engine": lambda view, had: had.engine,
    "node": lambda view, had: view.name,
    "site": lambda view, had: view.site,
    "owner": lambda view, had: had.owner or view.owner,
}
"""As console.spending has it for now."""


@dataclass
class PastSpending:
    """What was told, by node, and why the others did not."""

    window_s: float
    at_unix_s: float
    """When it was asked, by this console's clock: the end of the window."""
    told: dict[str, Spent] = field(default_factory=dict)
    refused: dict[str, Reason] = field(default_factory=dict)


async def ask_spent(fleet: Requests, store: Store, window_s: float, parts: int = 1) -> PastSpending:
    """Of all nodes that answer, at once."""
    found = PastSpending(window_s, store.wall())

    async def ask(node: str) -> None:
        try:
            found.told[node] = await fleet.request(
                node, ReadSpent(last_s=window_s, parts=parts), Spent, deadline_s=DEADLINE_S
            )
        except RequestFailed as error:
            found.refused[node] = error.reason

    await asyncio.gather(*(ask(view.name) for view in store.nodes.values() if view.counted))
    return found


def past_bill(store: Store, past: PastSpending, part: int = 0) -> Bill:
    """Micro-dollars in all. A GPU without a price is counted, its time is in no sum."""
    return add(bill_of(gpu, price) for _, gpu, price in _gpus(store, past, part))


def past_grouped(store: Store, past: PastSpending, by: str, part: int = 0) -> dict[str, int]:
    """Of instances, by one of BY; what belongs to nobody is under ""."""
    found: dict[str, int] = {}
    for view, gpu, price in _gpus(store, past, part):
        if price is None:
            continue
        for had in gpu.instances:
            key = BY[by](view, had)
            found[key] = found.get(key, 0) + microusd(had.time, price)
    return found


def kept_short(past: PastSpending) -> dict[str, int]:
    """The seconds that nodes have of the window, where that is not all of it; the least first."""
    seen = {node: _seen_s(told.parts) for node, told in past.told.items()}
    short = {node: seen_s for node, seen_s in seen.items() if seen_s < past.window_s - SHORT_S}
    return dict(sorted(short.items(), key=lambda one: (one[1], one[0])))


def seen_ratio(past: PastSpending, part: int) -> float:
    """How much of a part of the window was seen, over the nodes that tell; 0–1."""
    seen = [min(1.0, told.parts[part].seen_s / told.part_s) for told in past.told.values()]
    return sum(seen) / len(seen) if seen else 0.0


def _seen_s(parts: Iterable[SpentPart]) -> int:
    return sum(part.seen_s for part in parts)


def _gpus(store: Store, past: PastSpending, part: int) -> Iterator[tuple[NodeView, GpuTime, Price | None]]:
    for node, told in past.told.items():
        view = store.nodes[node]
        for gpu in told.parts[part].gpus:
            yield view, gpu, store.sheet.of(type_of(gpu.board), view.site, view.name)
