"""What the fleet costs at this moment: what its nodes tell, by the price sheet.

    GpuReading + its instances + Sheet ──► Bill per GPU ──► node, fleet, or by service, owner, model, …

A node that does not answer is in no sum, as everywhere.
"""

from collections.abc import Callable, Iterable, Mapping

from console.store import NodeView, Store
from engines.devices import Slice
from profiles.gpu.gputypes import type_of
from profiles.money.budgets import KINDS, Over, over
from profiles.money.cost import Bill, add, reading_bill
from profiles.money.money import a_million_tokens
from profiles.money.plan_money import PlanMoney, priced
from profiles.money.prices import Sheet
from profiles.observed.status import HOLDS, GpuReading, InstanceStatus
from profiles.plans.plan import Plan

BY: Mapping[str, Callable[[NodeView, InstanceStatus], str]] = {
    "service": lambda view, status: status.name.rpartition("/")[0],
    "instance": lambda view, status: f"{view.name}:{status.name}",
    "profile": lambda view, status: status.profile,
    "model": lambda view, status: status.model,
    "engine": lambda view, status: status.engine,
    "node": lambda view, status: view.name,
    "site": lambda view, status: view.site,
    "owner": lambda view, status: owner(view, status),
}
"""What the money of instances can be grouped by."""


def of_gpus(sheet: Sheet, view: NodeView, only: frozenset[str] | None = None) -> dict[str, Bill]:
    """Of the GPUs of a node by uuid, all of them or `only` some."""
    held: dict[str, dict[str, Slice]] = {}
    for status in view.instances.values():
        if status.phase in HOLDS:
            for part in status.slices:
                held.setdefault(part.gpu_uuid, {})[status.name] = part
    wanted = view.gpus if only is None else only & view.gpus.keys()
    return {uuid: _bill(sheet, view, view.gpus[uuid], held.get(uuid, {})) for uuid in wanted}


def of_node(sheet: Sheet, view: NodeView) -> Bill:
    return add(of_gpus(sheet, view).values())


def of_fleet(store: Store) -> Bill:
    """Of the nodes that answer. An instance that has its name on two nodes is one in it: for that, see `grouped`."""
    return add(of_node(store.sheet, view) for view in store.nodes.values() if view.counted)


def of_instance(sheet: Sheet, view: NodeView, status: InstanceStatus) -> int | None:
    """Micro-dollars an hour; None where a GPU of it has no price, or it runs on the CPU."""
    if not status.slices or status.phase not in HOLDS:
        return None
    bills = of_gpus(sheet, view, frozenset(part.gpu_uuid for part in status.slices))
    parts = [found.instances[status.name] for found in bills.values() if status.name in found.instances]
    return sum(parts) if len(parts) == len({part.gpu_uuid for part in status.slices}) else None


def grouped(store: Store, by: str) -> dict[str, int]:
    """Micro-dollars an hour of instances, by one of BY; what belongs to nobody is under ""."""
    found: dict[str, int] = {}
    for view in store.nodes.values():
        if view.counted:
            for name, part in of_node(store.sheet, view).instances.items():
                key = BY[by](view, view.instances[name])
                found[key] = found.get(key, 0) + part
    return found


def over_budget(store: Store) -> list[Over]:
    """Budgets that a day at this rate goes over."""
    budgets = store.sheet.budgets
    return over(budgets, {kind: grouped(store, kind) for kind in KINDS}) if budgets else []


def of_plan(store: Store, plan: Plan) -> PlanMoney:
    """What a plan changes of it, by the nodes that answer."""
    heard = {view.name: view for view in store.nodes.values() if view.counted}
    return priced(plan, {name: view.desired for name, view in heard.items()}, heard, store.sheet)


def tokens(store: Store, by: str) -> dict[str, float]:
    """Tokens a second that instances make, grouped alike; of those that say."""
    found: dict[str, float] = {}
    for view in store.nodes.values():
        for status in view.instances.values() if view.counted else ():
            if status.reading is not None and status.reading.generation_tok_s is not None:
                key = BY[by](view, status)
                found[key] = found.get(key, 0.0) + status.reading.generation_tok_s
    return found


def per_million(microusd_h: int | None, tokens_per_s: Iterable[float | None]) -> int | None:
    """$/1M of the tokens that are made; None where the price or the rate is not known."""
    known = [rate for rate in tokens_per_s if rate is not None]
    return a_million_tokens(microusd_h, sum(known)) if microusd_h is not None and known else None


def owner(view: NodeView, status: InstanceStatus) -> str:
    """Whoever the profile names, else whoever answers for the node."""
    owned = view.desired.instances.get(status.name)
    return (owned.owner if owned else "") or view.owner


def _bill(sheet: Sheet, view: NodeView, gpu: GpuReading, slices: Mapping[str, Slice]) -> Bill:
    price = sheet.of(type_of(gpu.name), view.site, view.name)
    return reading_bill(gpu, None if price is None else price.microusd_h(gpu.power_w), slices)
