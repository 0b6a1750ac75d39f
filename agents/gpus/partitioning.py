"""Changing a GPU through NVML: its MIG mode and instances, persistence, compute mode. For a process of its own.

    CreateGpuInstance ──► GPU instance at its place ──► compute instance that fills it ──► Created
                               └──────── taken back where the second cannot be made ◄─────┘

Needs root, or, for instances alone, the capability `mig/config` (MIG user guide). Every call may hang where the driver
does.
"""

import contextlib
import ctypes
from collections.abc import Iterator

import pynvml

from agents.privilege.answers import Created, Done, Switched
from agents.privilege.calls import (
    ComputeMode,
    CreateGpuInstance,
    DestroyGpuInstance,
    SetComputeMode,
    SetMigMode,
    SetPersistence,
    Switch,
)


class NvmlRefused(Exception):
    """`code` is NVML's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """The driver, for as long as it is needed. Raises NvmlRefused, also for what is called inside."""
    try:
        pynvml.nvmlInit()
        try:
            yield
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        raise NvmlRefused(error.value, str(error)) from None


def set_mig_mode(call: SetMigMode) -> Switched:
    held_up = pynvml.nvmlDeviceSetMigMode(_gpu(call.gpu), int(call.to is Switch.ON))
    return Switched(held_up=held_up)


def create(call: CreateGpuInstance) -> Created:
    place = pynvml.c_nvmlGpuInstancePlacement_t(call.start, call.size)
    made = pynvml.nvmlDeviceCreateGpuInstanceWithPlacement(_gpu(call.gpu), call.profile, ctypes.byref(place))
    try:
        filling = pynvml.nvmlGpuInstanceCreateComputeInstance(made, max(_compute_profiles(made))[1])
        compute = pynvml.nvmlComputeInstanceGetInfo_v2(filling)
        gi_id = int(pynvml.nvmlGpuInstanceGetInfo(made).id)
        return Created(gi_id=gi_id, ci_id=int(compute.id), uuid=pynvml.nvmlDeviceGetUUID(compute.device))
    except pynvml.NVMLError:
        with contextlib.suppress(pynvml.NVMLError):
            _destroy(made)
        raise


def destroy(call: DestroyGpuInstance) -> Done:
    _destroy(pynvml.nvmlDeviceGetGpuInstanceById(_gpu(call.gpu), call.gi_id))
    return Done()


def set_persistence(call: SetPersistence) -> Done:
    pynvml.nvmlDeviceSetPersistenceMode(_gpu(call.gpu), int(call.to is Switch.ON))
    return Done()


def set_compute_mode(call: SetComputeMode) -> Done:
    exclusive = call.to is ComputeMode.EXCLUSIVE
    mode = pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS if exclusive else pynvml.NVML_COMPUTEMODE_DEFAULT
    pynvml.nvmlDeviceSetComputeMode(_gpu(call.gpu), mode)
    return Done()


def pids() -> set[int]:
    """Whoever holds any GPU of this machine, by the driver's own lists."""
    found: set[int] = set()
    for index in range(pynvml.nvmlDeviceGetCount()):
        for listed in (
            pynvml.nvmlDeviceGetComputeRunningProcesses,
            pynvml.nvmlDeviceGetGraphicsRunningProcesses,
            pynvml.nvmlDeviceGetMPSComputeRunningProcesses,
        ):
            with contextlib.suppress(pynvml.NVMLError):  # a GPU that is lost, a list that it does not have
                found.update(one.pid for one in listed(pynvml.nvmlDeviceGetHandleByIndex(index)))
    return found


def _gpu(uuid: str) -> object:
    return pynvml.nvmlDeviceGetHandleByUUID(uuid)


def _destroy(instance: object) -> None:
    for _, profile in _compute_profiles(instance):
        handles = (pynvml.c_nvmlComputeInstance_t * 8)()
        count = ctypes.c_uint(len(handles))
        pynvml.nvmlGpuInstanceGetComputeInstances(instance, profile, handles, ctypes.byref(count))
        for handle in handles[: count.value]:
            pynvml.nvmlComputeInstanceDestroy(ctypes.cast(handle, pynvml.c_nvmlComputeInstance_t))
    pynvml.nvmlGpuInstanceDestroy(instance)


def _compute_profiles(instance: object) -> list[tuple[int, int]]:
    """(slices, the driver's id) of each kind of compute instance that this GPU instance may have."""
    found = []
    for wanted in range(pynvml.NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
        try:
            info = pynvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, wanted, 0)
        except pynvml.NVMLError as error:
            if error.value not in (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_INVALID_ARGUMENT):
                raise
        else:
            found.append((int(info.sliceCount), int(info.id)))
    return found
