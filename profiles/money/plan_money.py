"""What a plan costs: the money of each GPU that it touches, before and after, and the budgets that it goes over. Pure.

    before   what instances hold now, by their phases: a launch that failed holds nothing
    after    the same, but that what the plan changes holds what its new document gives it

Both at what a GPU draws now: a plan says where things go, not how hard they will work.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, Wanted
from profiles.gpu.gputypes import type_of
from profiles.money.budgets import KINDS, Over, over
from profiles.money.cost import reading_bill
from profiles.money.money import HOURS_A_DAY
from profiles.money.prices import Sheet
from profiles.observed.status import HOLDS, GpuReading, InstanceStatus
from profiles.plans.plan import Plan

Held = Mapping[str, tuple[Slice, ...]]
Spent = dict[str, dict[str, int]]
"""Micro-dollars an hour by name, of each kind of budget."""


class PricedNode(Protocol):
    """What the price of a node hangs on; `owner` answers for what no profile names an owner of."""

    @property
    def site(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def gpus(self) -> Mapping[str, GpuReading]: ...
    @property
    def instances(self) -> Mapping[str, InstanceStatus]: ...


class GpuMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What instances pay for one GPU, in micro-dollars an hour; None is unpriced."""

    node: str
    gpu_index: int
    before_microusd_h: int | None
    after_microusd_h: int | None


class PlanMoney(msgspec.Struct, frozen=True, kw_only=True):
    """`gpus` are those of which something else is given, `over` the budgets that are exceeded by more than before.

    Sums are of the GPUs that have a price; `unpriced` counts the others.
    """

    gpus: tuple[GpuMoney, ...] = ()
    over: tuple[Over, ...] = ()

    @property
    def before_microusd_h(self) -> int:
        return sum(one.before_microusd_h or 0 for one in self.gpus)

    @property
    def after_microusd_h(self) -> int:
        return sum(one.after_microusd_h or 0 for one in self.gpus)

    @property
    def delta_microusd_h(self) -> int:
        return self.after_microusd_h - self.before_microusd_h

    @property
    def unpriced(self) -> int:
        return sum(one.after_microusd_h is None for one in self.gpus)


def priced(plan: Plan, desired: Mapping[str, Desired], nodes: Mapping[str, PricedNode], sheet: Sheet) -> PlanMoney:
    """`nodes` are those that are heard of: the others are in no sum."""
    edits = {edit.node: edit.instances for edit in plan.nodes}
    rows: list[GpuMoney] = []
    before: Spent = {kind: {} for kind in KINDS}
    after: Spent = {kind: {} for kind in KINDS}
    for name in sorted(nodes):
        node, old = nodes[name], desired.get(name, Desired()).instances
        new = edits.get(name, old)
        now = {one.name: one.slices for one in node.instances.values() if one.phase in HOLDS}
        then = now if new is old else _then(now, old, new)
        if then is now and not sheet.budgets:
            continue
        for gpu in sorted(node.gpus.values(), key=lambda one: one.index):
            price = sheet.of(type_of(gpu.name), node.site, name)
            microusd_h = None if price is None else price.microusd_h(gpu.power_w)
            here, there = _on(gpu, now), _on(gpu, then)
            was, will = (reading_bill(gpu, microusd_h, held) for held in (here, there))
            _spend(before, was.instances, old, node.owner)
            _spend(after, will.instances, new, node.owner)
            if here != there:
                paid = (None, None) if price is None else (was.allocated, will.allocated)
                rows.append(GpuMoney(node=name, gpu_index=gpu.index, before_microusd_h=paid[0],
                                     after_microusd_h=paid[1]))  # fmt: skip
    return PlanMoney(gpus=tuple(rows), over=tuple(_raised(over(sheet.budgets, after), before)))


def _then(now: Held, old: Mapping[str, DesiredInstance], new: Mapping[str, DesiredInstance]) -> Held:
    touched = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    kept = {name: parts for name, parts in now.items() if name not in touched}
    given = {name: owned.spec.slices for name, owned in new.items()
             if name in touched and owned.spec.wanted is not Wanted.STOPPED}  # fmt: skip
    return {**kept, **given}


def _on(gpu: GpuReading, held: Held) -> dict[str, Slice]:
    return {name: part for name, parts in held.items() for part in parts if part.gpu_uuid == gpu.uuid}


def _spend(spent: Spent, paid: Mapping[str, int], document: Mapping[str, DesiredInstance], node_owner: str) -> None:
    for name, microusd_h in paid.items():
        owned = document.get(name)
        keys = {"owner": (owned.owner if owned else "") or node_owner, "service": name.rpartition("/")[0]}
        for kind, key in keys.items():
            spent[kind][key] = spent[kind].get(key, 0) + microusd_h


def _raised(found: list[Over], before: Spent) -> list[Over]:
    """A plan is not to be blamed for what it leaves as it is, or lowers."""
    return [one for one in found
            if one.microusd_day > before[one.budget.kind].get(one.budget.name, 0) * HOURS_A_DAY]  # fmt: skip
