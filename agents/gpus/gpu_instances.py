"""GPU instances, and the compute instances in them: NVML's calls with types, and its lists as lists.

Changing them wants root or the capability `mig/config`, and on some drivers so does listing them.
"""

import ctypes
from collections.abc import Callable
from typing import NewType, Protocol

from agents.gpus import nvml

Instance = NewType("Instance", object)
Compute = NewType("Compute", object)


class Placement(Protocol):
    start: int
    size: int


class Profile(Protocol):
    """What a GPU offers; one whose structure is of the first version has no `name`."""

    id: int
    sliceCount: int
    instanceCount: int
    memorySizeMB: int


class Info(Protocol):
    id: int
    placement: Placement


class ComputeProfile(Protocol):
    id: int
    sliceCount: int


class ComputeInfo(Protocol):
    """`device` is the MIG device that it is."""

    id: int
    device: nvml.Handle


PROFILES: int = nvml.struct("NVML_GPU_INSTANCE_PROFILE_COUNT")
COMPUTE_PROFILES: int = nvml.struct("NVML_COMPUTE_INSTANCE_PROFILE_COUNT")
"""Numbers below these ask for a profile; many of them are of no GPU at hand."""

profile: Callable[..., Profile] = nvml.call("nvmlDeviceGetGpuInstanceProfileInfo")
by_id: Callable[[nvml.Handle, int], Instance] = nvml.call("nvmlDeviceGetGpuInstanceById")
info: Callable[[Instance], Info] = nvml.call("nvmlGpuInstanceGetInfo")
destroy: Callable[[Instance], None] = nvml.call("nvmlGpuInstanceDestroy")
compute_profile: Callable[[Instance, int, int], ComputeProfile] = nvml.call(
    "nvmlGpuInstanceGetComputeInstanceProfileInfo"
)
compute_info: Callable[[Compute], ComputeInfo] = nvml.call("nvmlComputeInstanceGetInfo_v2")
create_compute: Callable[[Instance, int], Compute] = nvml.call("nvmlGpuInstanceCreateComputeInstance")

_placements: Callable[..., None] = nvml.call("nvmlDeviceGetGpuInstancePossiblePlacements")
_instances: Callable[..., None] = nvml.call("nvmlDeviceGetGpuInstances")
_computes: Callable[..., None] = nvml.call("nvmlGpuInstanceGetComputeInstances")
_create: Callable[..., Instance] = nvml.call("nvmlDeviceCreateGpuInstanceWithPlacement")
_destroy_compute: Callable[[object], None] = nvml.call("nvmlComputeInstanceDestroy")
_Placement: type[ctypes.Structure] = nvml.struct("c_nvmlGpuInstancePlacement_t")
_Instance = nvml.struct("c_nvmlGpuInstance_t")
_Compute = nvml.struct("c_nvmlComputeInstance_t")

_MOST_PLACEMENTS, _MOST_INSTANCES = 32, 16


def placements(gpu: nvml.Handle, profile_id: int) -> list[Placement]:
    """Where a profile may be placed, taken or not."""
    found, count = (_Placement * _MOST_PLACEMENTS)(), ctypes.c_uint(_MOST_PLACEMENTS)
    _placements(gpu, profile_id, found, ctypes.byref(count))
    return list(found[: count.value])


def of_profile(gpu: nvml.Handle, profile_id: int) -> list[Instance]:
    found, count = (_Instance * _MOST_INSTANCES)(), ctypes.c_uint(_MOST_INSTANCES)
    _instances(gpu, profile_id, found, ctypes.byref(count))
    return list(found[: count.value])


def compute_profiles(instance: Instance) -> list[ComputeProfile]:
    """Each kind of compute instance that this one may have."""
    found = []
    for number in range(COMPUTE_PROFILES):
        try:
            found.append(compute_profile(instance, number, 0))
        except nvml.NvmlError as error:
            if error.value not in nvml.NOT_OFFERED:
                raise
    return found


def computes(instance: Instance, profile_id: int) -> list[Compute]:
    found, count = (_Compute * _MOST_INSTANCES)(), ctypes.c_uint(_MOST_INSTANCES)
    _computes(instance, profile_id, found, ctypes.byref(count))
    return list(found[: count.value])


def create(gpu: nvml.Handle, profile_id: int, start: int, size: int) -> Instance:
    return _create(gpu, profile_id, ctypes.byref(_Placement(start, size)))


def destroy_compute(compute: Compute) -> None:
    _destroy_compute(ctypes.cast(compute, _Compute))  # type: ignore[arg-type]  # pynvml's own pointer types
