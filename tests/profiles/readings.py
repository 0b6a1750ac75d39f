"""Readings of GPUs as the tests of the ledger need them."""

from msgspec.structs import replace

from engines.devices import Enforcer, MigSlot, Slice
from profiles.observed.gpus import MigDevice, MigState
from profiles.observed.status import GpuProcess, GpuReading

TOTAL_MIB, RESERVED_MIB = 81_559, 614
ALLOCATABLE_MIB = TOTAL_MIB - RESERVED_MIB - 815


def gpu(index: int = 0, *processes: GpuProcess, **changes: object) -> GpuReading:
    """An H100; what its processes hold is in use."""
    reading = GpuReading(
        uuid=f"GPU-{index}", index=index, name="H100", memory_total_mib=TOTAL_MIB, memory_reserved_mib=RESERVED_MIB,
        memory_used_mib=sum(one.memory_mib or 0 for one in processes), processes=processes,
    )  # fmt: skip
    return replace(reading, **changes)


def process(mib: int | None, instance: str | None = None, user: str = "bob", pid: int = 41) -> GpuProcess:
    return GpuProcess(pid=pid, name="whisper", user=user, memory_mib=mib, instance=instance)


def part(mib: int | None = None, index: int = 0, limit: int | None = None, **changes: object) -> Slice:
    whole = Slice(gpu_uuid=f"GPU-{index}", gpu_index=index, memory_mib=mib, memory_limit_mib=limit)
    return replace(whole, **changes)


def mps(mib: int, limit: int | None = None, index: int = 0) -> Slice:
    return part(mib, index, limit, memory_enforcer=Enforcer.MPS)


def mig(profile: str, start: int, size: int, index: int = 0) -> Slice:
    return part(None, index, mig=MigSlot(profile=profile, start=start, size=size), memory_enforcer=Enforcer.MIG)


def divided(*devices: tuple[str, int, int], index: int = 0) -> GpuReading:
    """In MIG mode with (profile, start, size) on it."""
    made = tuple(MigDevice(uuid=f"MIG-{at}", profile=name, start=start, size=size, gi_id=at, ci_id=0)
                 for at, (name, start, size) in enumerate(devices))  # fmt: skip
    return gpu(index, mig=MigState(current=True, pending=True), mig_devices=made)
