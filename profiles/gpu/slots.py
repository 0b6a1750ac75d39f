"""The places that MIG gives on a GPU, and whose they are. Pure."""

from engines.devices import MigSlot
from profiles.gpu.account import Held
from profiles.observed.status import GpuReading


def slots(gpu: GpuReading) -> list[MigSlot]:
    """Where its MIG devices are."""
    return [MigSlot(profile=one.profile, start=one.start, size=one.size)
            for one in gpu.mig_devices if one.start is not None and one.size is not None]  # fmt: skip


def holder(slot: MigSlot, there: Held) -> str | None:
    """Who of the tenants has it, or a part of it."""
    held = ((name, part.mig) for name, parts in there.items() for part in parts)
    return next((name for name, other in held if other and overlap(other, slot)), None)


def overlap(one: MigSlot, other: MigSlot) -> bool:
    return one.start < other.start + other.size and other.start < one.start + one.size
