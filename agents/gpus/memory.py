"""The memory of a device, in MiB: total = reserved + used + free."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from agents.gpus import nvml


class Memory(NamedTuple):
    """`reserved` is the driver's own part; None where it is counted as used."""

    total_mib: int
    reserved_mib: int | None
    used_mib: int


class _Told(Protocol):
    total: int
    reserved: int
    free: int
    used: int


_told: Callable[..., _Told] = nvml.call("nvmlDeviceGetMemoryInfo")
_SECOND: int = nvml.struct("nvmlMemory_v2")


def read(handle: nvml.Handle) -> Memory:
    """Drivers before 510 know the first version alone. Raises NvmlError."""
    try:
        told = _told(handle, version=_SECOND)
    except nvml.NvmlError as error:
        if error.value not in nvml.OLD_DRIVER:
            raise
        old = _told(handle)
        return Memory(old.total // nvml.MIB, None, old.used // nvml.MIB)
    # The header contradicts itself on whether `used` includes reserved; total − free − reserved does not.
    used = told.total - told.free - told.reserved
    return Memory(told.total // nvml.MIB, told.reserved // nvml.MIB, used // nvml.MIB)
