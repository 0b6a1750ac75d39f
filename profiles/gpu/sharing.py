"""Who has which part of one GPU now, by what its node says of instances and readings. Pure.

all memory = reserved and headroom + used (ours, strangers', nobody's who can be named) + promised and not used + free
"""

from collections.abc import Iterable, Mapping

import msgspec

from engines.devices import MigSlot, ShareMode, Slice
from profiles.desired.model import Wanted
from profiles.gpu.account import account, kept_mib, on
from profiles.gpu.ledger import share_mode
from profiles.gpu.memory import Usage, allocatable_mib, usage
from profiles.gpu.slots import holder, slots
from profiles.observed.status import GpuReading, InstanceStatus, InternalStatus, Phase

_HOLDS_NOTHING = frozenset({Phase.PENDING, Phase.FAILED, Phase.STOPPED})
"""Phases in which an instance without a process has given its part back, or was not given it yet."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """An instance and its part. `used_mib` None is not known; `promised_mib` is what is kept for it above that."""

    name: str
    phase: Phase
    part: Slice
    used_mib: int | None
    promised_mib: int


class Stranger(msgspec.Struct, frozen=True, kw_only=True):
    """A process of nobody that gpuyard started."""

    pid: int
    name: str
    user: str
    used_mib: int | None


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU. `mode` None: nobody has a part of it. `internal_mib` is what the agent's own processes use.

    `free_mib` is what may be given out, None under MIG, where `free_slots` are the devices that nobody has.
    """

    mode: ShareMode | None
    tenants: tuple[Tenant, ...]
    strangers: tuple[Stranger, ...]
    usage: Usage | None
    internal_mib: int
    allocatable_mib: int | None
    free_mib: int | None
    free_slots: tuple[MigSlot, ...]
    internals: tuple[InternalStatus, ...]


def sharing(gpu: GpuReading, instances: Iterable[InstanceStatus], internals: Iterable[InternalStatus] = ()) -> Sharing:
    there = {one.name: (one, part) for one in instances if _holds(one) for part in on(gpu, one.slices)}
    held = {name: (part,) for name, (_, part) in there.items()}
    found, allocatable = usage(gpu), allocatable_mib(gpu)
    measured: Mapping[str, int] = found.ours if found else {}
    ours = {process.instance for process in gpu.processes}
    mode = share_mode(gpu, held)
    return Sharing(
        mode=mode,
        tenants=tuple(
            Tenant(
                name=name,
                phase=one.phase,
                part=part,
                used_mib=measured.get(name, None if name in ours or found is None else 0),
                promised_mib=max(0, _kept_mib(part, allocatable) - measured.get(name, 0)),
            )
            for name, (one, part) in sorted(there.items(), key=lambda entry: _place(*entry))
        ),
        strangers=tuple(
            Stranger(pid=one.pid, name=one.name, user=one.user, used_mib=one.memory_mib)
            for one in gpu.processes
            if one.instance is None
        ),
        usage=found,
        internal_mib=sum(mib for name, mib in measured.items() if name not in there),
        allocatable_mib=allocatable,
        free_mib=None if mode is ShareMode.MIG else account(gpu, held).free_mib,
        free_slots=tuple(slot for slot in slots(gpu) if holder(slot, held) is None),
        internals=tuple(one for one in internals if one.gpu_uuid == gpu.uuid),
    )


def _holds(one: InstanceStatus) -> bool:
    return one.pid is not None or (one.wanted is not Wanted.STOPPED and one.phase not in _HOLDS_NOTHING)


def _kept_mib(part: Slice, allocatable: int | None) -> int:
    """A whole GPU is nobody else's, full or not."""
    return 0 if part.memory_mib is None else kept_mib(part, allocatable)


def _place(name: str, held: tuple[InstanceStatus, Slice]) -> tuple[int, str]:
    """MIG devices as they lie on the GPU."""
    slot = held[1].mig
    return (slot.start if slot else 0, name)
