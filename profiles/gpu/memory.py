"""What a GPU's memory is taken by, as far as its reading says. Whole MiB, pure.

    total = reserved + ours + foreign + unattributed + free
    allocatable = total − reserved − headroom

The headroom is for contexts, graphs, a desktop: what nobody asked for.
"""

import msgspec

from profiles.observed.status import GpuReading

HEADROOM_LEAST_MIB = 512
_HEADROOM_PARTS = 100


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """MiB by who has them; `ours` by instance, `foreign` by user. More than all only where the driver says so itself.

    Processes of which the driver does not tell the memory are in `unattributed_mib`.
    """

    total_mib: int
    reserved_mib: int
    ours: dict[str, int]
    foreign: dict[str, int]
    unattributed_mib: int
    free_mib: int

    @property
    def ours_mib(self) -> int:
        return sum(self.ours.values())

    @property
    def foreign_mib(self) -> int:
        return sum(self.foreign.values())


def usage(gpu: GpuReading) -> Usage | None:
    """None where the reading has no memory."""
    if gpu.memory_total_mib is None or gpu.memory_used_mib is None:
        return None
    ours: dict[str, int] = {}
    foreign: dict[str, int] = {}
    for process in gpu.processes:
        if process.memory_mib is not None:
            whose, who = (foreign, process.user) if process.instance is None else (ours, process.instance)
            whose[who] = whose.get(who, 0) + process.memory_mib
    named = sum(ours.values()) + sum(foreign.values())
    reserved = gpu.memory_reserved_mib or 0
    return Usage(
        total_mib=gpu.memory_total_mib,
        reserved_mib=reserved,
        ours=ours,
        foreign=foreign,
        unattributed_mib=max(0, gpu.memory_used_mib - named),
        free_mib=max(0, gpu.memory_total_mib - reserved - max(named, gpu.memory_used_mib)),
    )


def headroom_mib(total_mib: int) -> int:
    """Never given to anybody."""
    return max(HEADROOM_LEAST_MIB, total_mib // _HEADROOM_PARTS)


def allocatable_mib(gpu: GpuReading) -> int | None:
    """All that instances may be given of it; None where its size is not known."""
    if gpu.memory_total_mib is None:
        return None
    return max(0, gpu.memory_total_mib - (gpu.memory_reserved_mib or 0) - headroom_mib(gpu.memory_total_mib))
