"""Where the money of a GPU goes while it runs. Pure; every sum adds up to the micro-dollar.

    price of a GPU = Σ its instances + foreign + unallocated        (idle is a part of its instances')

A slice costs its share of the GPU; a GPU without a price is counted as unpriced, never as free.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

from engines.devices import Slice
from profiles.money.money import share
from profiles.observed.status import GpuReading

IDLE_BUSY_RATIO = 0.05
"""A GPU less busy than this earns nothing for what is allocated on it."""

Split = dict[str, int]
"""Micro-dollars an hour by instance."""


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know of a GPU for its bill. `slices` are of instances that run or load."""

    microusd_h: int | None
    """None is unpriced."""
    memory_mib: int | None
    busy_ratio: float | None
    slices: Mapping[str, Slice] = {}
    foreign_mib: int = 0


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars an hour. `idle` is of `instances`; `unpriced` counts GPUs that no sheet knows."""

    instances: Split = {}
    idle: int = 0
    foreign: int = 0
    unallocated: int = 0
    unpriced: int = 0

    @property
    def allocated(self) -> int:
        return sum(self.instances.values())

    @property
    def total(self) -> int:
        return self.allocated + self.foreign + self.unallocated


def bill(use: GpuUse) -> Bill:
    """Of one GPU. An unknown business is not called idle."""
    if use.microusd_h is None:
        return Bill(unpriced=1)
    price = use.microusd_h
    instances = _split(price, use)
    left = price - sum(instances.values())
    foreign = min(left, share(price, use.foreign_mib, use.memory_mib)) if use.memory_mib else 0
    idle = use.busy_ratio is not None and use.busy_ratio < IDLE_BUSY_RATIO
    return Bill(
        instances=instances,
        idle=sum(instances.values()) if idle else 0,
        foreign=foreign,
        unallocated=left - foreign,
    )


def reading_bill(gpu: GpuReading, microusd_h: int | None, slices: Mapping[str, Slice]) -> Bill:
    """Of a GPU as it reads now, at a price."""
    return bill(
        GpuUse(
            microusd_h=microusd_h,
            memory_mib=gpu.memory_total_mib,
            busy_ratio=gpu.busy_ratio,
            slices=slices,
            foreign_mib=sum(one.memory_mib or 0 for one in gpu.processes if one.instance is None),
        )
    )


def add(bills: Iterable[Bill]) -> Bill:
    """Several GPUs as one."""
    instances: Split = {}
    idle = foreign = unallocated = unpriced = 0
    for one in bills:
        for name, part in one.instances.items():
            instances[name] = instances.get(name, 0) + part
        idle, foreign = idle + one.idle, foreign + one.foreign
        unallocated, unpriced = unallocated + one.unallocated, unpriced + one.unpriced
    return Bill(instances=instances, idle=idle, foreign=foreign, unallocated=unallocated, unpriced=unpriced)


def grouped(instances: Split, group_of: Mapping[str, str]) -> Split:
    """By owner, service, profile …; whoever has no group is under ""."""
    found: Split = {}
    for name, part in instances.items():
        group = group_of.get(name, "")
        found[group] = found.get(group, 0) + part
    return found


def energy_kwh(millijoules: Sequence[int]) -> float:
    """Between the first and the last of a counter; one that went down began anew, and what was before is lost."""
    pairs = pairwise(millijoules)
    return sum(after - before if after >= before else after for before, after in pairs) / 3.6e9


def _split(price: int, use: GpuUse) -> Split:
    """Shares that together are more than the GPU, as ceilings of compute may be, are paid in proportion."""
    parts = {name: millionths(one, use.memory_mib) for name, one in use.slices.items()}
    whole = max(1_000_000, sum(parts.values()))
    return {name: share(price, part, whole) for name, part in parts.items()}


def millionths(one: Slice, memory_mib: int | None) -> int:
    """Of a GPU that has so much: its memory or its compute, whichever is the larger part."""
    total_mib = one.gpu_memory_mib or memory_mib
    if one.memory_mib is None or not total_mib:
        return 1_000_000
    memory = one.memory_mib * 1_000_000 // total_mib
    compute = (one.compute_percent or 0) * 10_000
    return min(1_000_000, max(memory, compute))
