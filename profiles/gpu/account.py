"""One GPU's memory as it is promised and as it is used. Whole MiB, pure.

    allocatable = Σ max(kept, measured) of our instances + Σ max(claimed, measured) of everybody else + free

What an instance keeps is its request; where nobody could take back what it has above that, its limit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from engines.devices import ShareMode, Slice
from profiles.gpu.memory import allocatable_mib, usage
from profiles.observed.status import GpuClaim, GpuReading

Held = Mapping[str, tuple[Slice, ...]]
"""Slices by instance."""

NOBODY: Held = {}


class Taken(msgspec.Struct, frozen=True):
    """One GPU, who has parts of it, and its account: worked out once, asked about every part that somebody wants."""

    gpu: GpuReading
    there: Held
    account: "Account"
    alike: tuple[object, ...] | None = None
    """Equal for two GPUs of which one has room for a part where the other has; None where there is more to look at."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """None is unknown. `others_mib` is of processes and agents that are not ours, and of nobody who can be named."""

    allocatable_mib: int | None
    ours_mib: int
    others_mib: int

    @property
    def taken_mib(self) -> int:
        return self.ours_mib + self.others_mib

    @property
    def free_mib(self) -> int | None:
        return None if self.allocatable_mib is None else max(0, self.allocatable_mib - self.taken_mib)


def account(gpu: GpuReading, held: Held) -> Account:
    found, allocatable = usage(gpu), allocatable_mib(gpu)
    measured = found.ours if found else {}
    kept = {name: sum(kept_mib(part, allocatable) for part in on(gpu, parts)) for name, parts in held.items()}
    ours = sum(max(kept.get(name, 0), measured.get(name, 0)) for name in kept.keys() | measured.keys())
    others = _others_mib(gpu, allocatable, found.foreign if found else {})
    unattributed = found.unattributed_mib if found else 0
    if any(process.instance and process.memory_mib is None for process in gpu.processes):
        ours = max(ours, sum(measured.values()) + unattributed)
    else:
        others += unattributed
    return Account(allocatable_mib=allocatable, ours_mib=ours, others_mib=others)


def _others_mib(gpu: GpuReading, allocatable: int | None, measured: Mapping[str, int]) -> int:
    """A user's engines are in what his agent claims, so the greater of both counts."""
    total = 0
    for user in measured.keys() | {claim.user for claim in gpu.claims}:
        claimed = reserved_mib(allocatable, [claim for claim in gpu.claims if claim.user == user])
        total += max(measured.get(user, 0), claimed or 0)
    return total


def kept_mib(part: Slice, allocatable: int | None) -> int:
    """A MIG device is a place of its own and keeps nothing of its GPU's memory."""
    if part.mig is not None:
        return 0
    if part.memory_mib is None:
        return allocatable or 0
    if part.memory_limit_mib is None or part.memory_enforcer.takes_back:
        return part.memory_mib
    return part.memory_limit_mib


def reserved_mib(total_mib: int | None, claims: Iterable[GpuClaim]) -> int | None:
    """What is not for us, at most all of it; None where a whole GPU of unknown size is."""
    parts = [total_mib if claim.memory_mib is None else claim.memory_mib for claim in claims]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return sum(known) if total_mib is None else min(sum(known), total_mib)


def taken(gpu: GpuReading, held: Held) -> Taken:
    """`held` may be of the whole node."""
    there = tenants(gpu, held)
    found = account(gpu, there)
    return Taken(gpu, there, found, _alike(gpu, there, found))


def _alike(gpu: GpuReading, there: Held, found: Account) -> tuple[object, ...] | None:
    """Where MIG has no part in it, who the tenants are only matters for what is said of them."""
    modes = [part.share_mode for parts in there.values() for part in parts[:1]]
    divided = gpu.mig_devices or (gpu.mig and (gpu.mig.current or gpu.mig.pending)) or ShareMode.MIG in modes
    if gpu.claims or divided:
        return None
    of_account = found.allocatable_mib, found.ours_mib, found.others_mib
    return gpu.name, gpu.memory_total_mib, gpu.state, gpu.health, *of_account, len(modes), *modes[:1]


def on(gpu: GpuReading, parts: Iterable[Slice]) -> tuple[Slice, ...]:
    return tuple(part for part in parts if part.gpu_uuid == gpu.uuid)


def same(some: Sequence[Slice], others: Sequence[Slice]) -> bool:
    """Whether they are the same parts; an index is only a label."""
    return [replace(part, gpu_index=0) for part in some] == [replace(part, gpu_index=0) for part in others]


def tenants(gpu: GpuReading, held: Held) -> dict[str, tuple[Slice, ...]]:
    """Who has a part of `gpu`, and which."""
    return {name: parts for name, all_parts in held.items() if (parts := on(gpu, all_parts))}


def by_gpu(held: Held) -> dict[str, dict[str, tuple[Slice, ...]]]:
    """The tenants of each GPU that has some, by its UUID."""
    found: dict[str, dict[str, tuple[Slice, ...]]] = {}
    for name, parts in held.items():
        for part in parts:
            found.setdefault(part.gpu_uuid, {})[name] = parts
    return found


def without(gpu: GpuReading, gone: Callable[[str], bool]) -> GpuReading:
    """As it will be once instances that are `gone` have left."""
    leaving = [one for one in gpu.processes if one.instance is not None and gone(one.instance)]
    if not leaving:
        return gpu
    used = gpu.memory_used_mib
    return replace(
        gpu,
        processes=tuple(one for one in gpu.processes if one not in leaving),
        memory_used_mib=None if used is None else max(0, used - sum(one.memory_mib or 0 for one in leaving)),
    )
