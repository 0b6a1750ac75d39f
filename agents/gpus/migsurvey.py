"""A look at MIG on one GPU: what it offers, what it has, who is on it. For a process of its own, like the reader.

Nothing is changed here (agents.gpus.partitioning does that), but listing instances takes the same right: root, or the
capability `mig/config`. Calls and their codes as in nvml.h of CUDA 13.5.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import msgspec
import pynvml

from agents.gpus.processes import Processes
from agents.gpus.survey import GpuInstance, Holder, Refused, Survey
from engines.devices import MigSlot
from profiles.mig import MigOffer

T = TypeVar("T")

MIB = 1024 * 1024
_INVALID, _NOT_SUPPORTED, _NO_PERMISSION, _NOT_FOUND, _FUNCTION_NOT_FOUND, _OLD_VERSION = 2, 3, 4, 6, 13, 25
_ABSENT = frozenset({_INVALID, _NOT_SUPPORTED, _NOT_FOUND, _FUNCTION_NOT_FOUND})
"""How a driver answers for a number of a list that has holes, or for what it does not know."""
_HIDDEN = _ABSENT | {_NO_PERMISSION}
"""All processes of a GPU in MIG mode are for privileged eyes; those of each device are not."""
_RESETLESS = 184
"""The field that says whether MIG mode changes without a reset (Hopper and later)."""
_MOST_PLACEMENTS, _MOST_INSTANCES = 32, 16


class DriverRefused(Exception):
    """`code` is NVML's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


@contextmanager
def opened(uuid: str) -> Iterator[object]:
    """The GPU's handle, with NVML initialised for as long. Raises DriverRefused, for all that the body asks too."""
    try:
        pynvml.nvmlInit()
        try:
            yield pynvml.nvmlDeviceGetHandleByUUID(uuid)
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        raise DriverRefused(error.value, str(error)) from None


def look(uuid: str) -> Survey:
    """Everything about MIG on the GPU `uuid`. Raises DriverRefused."""
    with opened(uuid) as gpu:
        index = int(pynvml.nvmlDeviceGetIndex(gpu))
        holders = tuple(_holders(gpu))
        mode = _ask(pynvml.nvmlDeviceGetMigMode, gpu)
        if mode is None:
            return Survey(index=index, holders=holders)
        current, pending = bool(mode[0]), bool(mode[1])
        resetless = _resetless(gpu)
        if not current:
            return Survey(index=index, mode=False, pending=pending, resetless=resetless, holders=holders)
        offers = tuple(_offers(gpu))
        instances = tuple(one for offer in offers for one in _instances(gpu, offer))
        return Survey(
            index=index, mode=True, pending=pending, resetless=resetless, offers=offers, instances=instances,
            holders=holders,
        )  # fmt: skip


def _offers(gpu: object) -> Iterator[MigOffer]:
    for number in range(pynvml.NVML_GPU_INSTANCE_PROFILE_COUNT):
        info = _ask(_profile, gpu, number)
        if info is None:
            continue
        places = (pynvml.c_nvmlGpuInstancePlacement_t * _MOST_PLACEMENTS)()
        count = ctypes.c_uint(_MOST_PLACEMENTS)
        pynvml.nvmlDeviceGetGpuInstancePossiblePlacements(gpu, info.id, places, ctypes.byref(count))
        starts = tuple(sorted(int(place.start) for place in places[: count.value]))
        if starts:
            yield MigOffer(
                profile=_name(info), id=int(info.id), slices=int(info.sliceCount), size=int(places[0].size),
                starts=starts, at_most=int(info.instanceCount), memory_mib=int(info.memorySizeMB),
            )  # fmt: skip


def _profile(gpu: object, number: int) -> "pynvml.c_nvmlGpuInstanceProfileInfo_v2_t":
    """Drivers before 470 know the first version alone, which has no name."""
    try:
        return pynvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, number, version=2)
    except pynvml.NVMLError as error:
        if error.value not in (_OLD_VERSION, _FUNCTION_NOT_FOUND):
            raise
        return pynvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, number, version=1)


def _name(info: "pynvml.c_nvmlGpuInstanceProfileInfo_v2_t") -> str:
    """`1g.10gb`. Where the driver does not say it, it is put together as nvidia-smi does it."""
    told = getattr(info, "name", b"")
    text = told.decode("ascii", "replace") if isinstance(told, bytes) else str(told)
    return text.removeprefix("MIG ").strip() or f"{info.sliceCount}g.{-(-int(info.memorySizeMB) // 1024)}gb"


def _instances(gpu: object, offer: MigOffer) -> Iterator[GpuInstance]:
    found = (pynvml.c_nvmlGpuInstance_t * _MOST_INSTANCES)()
    count = ctypes.c_uint(_MOST_INSTANCES)
    pynvml.nvmlDeviceGetGpuInstances(gpu, offer.id, found, ctypes.byref(count))
    for instance in found[: count.value]:
        info = pynvml.nvmlGpuInstanceGetInfo(instance)
        infos = [pynvml.nvmlComputeInstanceGetInfo_v2(compute) for compute in _computes(instance)]
        yield GpuInstance(
            gi_id=int(info.id),
            slot=MigSlot(profile=offer.profile, start=int(info.placement.start), size=int(info.placement.size)),
            devices=tuple(pynvml.nvmlDeviceGetUUID(one.device) for one in infos),
        )


def _computes(instance: object) -> list[object]:
    kept: list[object] = []
    for number in range(pynvml.NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
        info = _ask(pynvml.nvmlGpuInstanceGetComputeInstanceProfileInfo, instance, number, 0)
        if info is not None:
            found = (pynvml.c_nvmlComputeInstance_t * _MOST_INSTANCES)()
            count = ctypes.c_uint(_MOST_INSTANCES)
            pynvml.nvmlGpuInstanceGetComputeInstances(instance, info.id, found, ctypes.byref(count))
            kept.extend(found[: count.value])
    return kept


def _holders(gpu: object) -> Iterator[Holder]:
    processes = Processes()
    seen: set[int] = set()
    for device, gi_id in _devices(gpu):
        for one in _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, device, absent=_HIDDEN) or ():
            if one.pid in seen:
                continue
            seen.add(one.pid)
            who = processes.describe(one.pid, None if one.usedGpuMemory is None else one.usedGpuMemory // MIB)
            yield Holder(pid=one.pid, name=who.name, user=who.user, memory_mib=who.memory_mib, gi_id=gi_id)


def _devices(gpu: object) -> Iterator[tuple[object, int | None]]:
    """Its MIG devices with their GPU instance, then the GPU itself."""
    for index in range(_ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, gpu) or 0):
        device = _ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, index)
        if device is not None:
            yield device, _ask(pynvml.nvmlDeviceGetGpuInstanceId, device)
    yield gpu, None


def _resetless(gpu: object) -> bool | None:
    """None where the driver does not know the question."""
    values = _ask(pynvml.nvmlDeviceGetFieldValues, gpu, [_RESETLESS])
    if not values or values[0].nvmlReturn != pynvml.NVML_SUCCESS:
        return None
    return bool(values[0].value.uiVal)


def _ask(call: Callable[..., T], *arguments: object, absent: frozenset[int] = _ABSENT) -> T | None:
    """None where the driver or the GPU does not know it. Raises NVMLError for every other refusal."""
    try:
        return call(*arguments)
    except pynvml.NVMLError as error:
        if error.value in absent:
            return None
        raise


def main(uuid: str) -> int:
    """One line of JSON on stdout."""
    try:
        said: Survey | Refused = look(uuid)
    except DriverRefused as error:
        said = Refused(code=error.code, text=error.text)
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
