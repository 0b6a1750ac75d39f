"""From what a service asks of a GPU to the slice that an instance of it holds. Pure.

What was worked out once stays: as long as the request is the same, the slice is the one that the instance has.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from engines.abilities import Fits
from engines.base import Engine
from engines.devices import Enforcer, Slice
from profiles.desired.gpu_request import LEAST_MIB, Share
from profiles.gpu.account import Held, tenants
from profiles.gpu.memory import allocatable_mib
from profiles.gpu.slots import holder, slots
from profiles.observed.status import GpuReading


class NoPart(msgspec.Struct, frozen=True):
    """Why a GPU has no such part."""

    reason: str
    hint: str


def part_of(share: Share, gpu: GpuReading, engine: Engine, before: Slice | None, others: Held) -> Slice | NoPart:
    """The slice of `gpu` for an instance that had `before` of it. `others` are those of other instances.

    Whether there is room for it is the ledger's business.
    """
    if share.whole:
        return Slice(gpu_uuid=gpu.uuid, gpu_index=gpu.index)
    if share.mig is not None:
        return _mig(share.mig, gpu, before, others)
    if before is not None and _same(share, before, engine):
        return replace(before, gpu_index=gpu.index)
    allocatable = allocatable_mib(gpu)
    if allocatable is None:
        return NoPart(f"how much memory GPU {gpu.index} has is not known", "choose another GPU")
    memory = share.portion_mib(allocatable)
    if memory < LEAST_MIB:
        return NoPart(f"{share.portion:g} of GPU {gpu.index} is {memory} MiB", f"at least {LEAST_MIB} MiB make sense")
    if share.limit_mib is not None and share.limit_mib < memory:
        text = f"{share.portion:g} of GPU {gpu.index} is {memory:,} MiB, over its limit of {share.limit_mib:,}"
        return NoPart(text, "raise `limit`, or lower `portion`")
    return Slice(
        gpu_uuid=gpu.uuid,
        gpu_index=gpu.index,
        memory_mib=memory,
        memory_limit_mib=share.limit_mib,
        memory_enforcer=enforcer(share, engine),
        compute_percent=share.compute_percent,
        compute_enforcer=Enforcer.NONE if share.compute_percent is None else Enforcer.MPS,
        portion=share.portion,
        gpu_memory_mib=gpu.memory_total_mib,
    )


def enforcer(share: Share, engine: Engine) -> Enforcer:
    """Who keeps it within its memory, where the profile leaves that to us: whoever can, the engine before nobody."""
    if share.enforce is not None:
        return share.enforce
    if share.compute_percent is not None:
        return Enforcer.MPS
    return Enforcer.ENGINE_FLAG if isinstance(engine, Fits) else Enforcer.NONE


def settled(share: Share, engine: Engine) -> Share:
    """With its enforcer, where it has one: the same for every GPU, and finding it takes a while."""
    return share if share.whole or share.mig is not None else replace(share, enforce=enforcer(share, engine))


def _same(share: Share, before: Slice, engine: Engine) -> bool:
    asked = before.portion == share.portion if share.portion is not None else before.memory_mib == share.memory_mib
    rest = (before.memory_limit_mib, before.compute_percent, before.memory_enforcer)
    return asked and before.mig is None and rest == (share.limit_mib, share.compute_percent, enforcer(share, engine))


def _mig(profile: str, gpu: GpuReading, before: Slice | None, others: Held) -> Slice | NoPart:
    there = tenants(gpu, others)
    of_profile = [slot for slot in slots(gpu) if slot.profile == profile]
    if before is not None and before.mig in of_profile:
        return replace(before, gpu_index=gpu.index)
    free = [slot for slot in of_profile if holder(slot, there) is None]
    if not free:
        text = f"GPU {gpu.index} has no free {profile}"
        return NoPart(text, f"{_layout(gpu, there)}; `gpuyard fractions plan` divides it otherwise")
    slot = free[0]
    sizes = {(one.start, one.size): one.memory_total_mib for one in gpu.mig_devices}
    return Slice(
        gpu_uuid=gpu.uuid,
        gpu_index=gpu.index,
        memory_mib=sizes.get((slot.start, slot.size)),
        memory_enforcer=Enforcer.MIG,
        compute_enforcer=Enforcer.MIG,
        mig=slot,
    )


def _layout(gpu: GpuReading, there: Mapping[str, tuple[Slice, ...]]) -> str:
    if not (gpu.mig and gpu.mig.current):
        return "it is not divided by MIG"
    said = [f"{slot.profile} ({holder(slot, there) or 'free'})" for slot in slots(gpu)]
    return f"it has {', '.join(said)}" if said else "MIG is on, and it has no devices yet"
