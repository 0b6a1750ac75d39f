"""MIG on the fake driver: place, create, use, destroy, as the driver lets an owner do it."""

import contextlib
import ctypes
import os
from types import ModuleType
from typing import Any

import pytest

from tests.fakes.nvml.driver import MIB, FakeDriver
from tests.fakes.test_nvml_driver import code_of

THREE_SLICES, ONE_SLICE = 2, 0
"""Constants of nvml.h that ask for a GPU instance profile."""


@pytest.fixture
def gpu(nvml: ModuleType) -> object:
    """In MIG mode."""
    device = nvml.nvmlDeviceGetHandleByIndex(0)
    nvml.nvmlDeviceSetMigMode(device, 1)
    assert nvml.nvmlDeviceGetMigMode(device) == [1, 1]
    return device


def place(nvml: ModuleType, gpu: object, profile: int, start: int) -> tuple[object, object]:
    """A GPU instance with the compute instance that fills it."""
    info = nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, profile)
    at = nvml.c_nvmlGpuInstancePlacement_t(start, placements(nvml, gpu, info.id)[0].size)
    instance = nvml.nvmlDeviceCreateGpuInstanceWithPlacement(gpu, info.id, ctypes.byref(at))
    compute = nvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, profile, 0)
    return instance, nvml.nvmlGpuInstanceCreateComputeInstance(instance, compute.id)


def placements(nvml: ModuleType, gpu: object, profile_id: int) -> list[Any]:
    found, count = (nvml.c_nvmlGpuInstancePlacement_t * 8)(), ctypes.c_uint(8)
    nvml.nvmlDeviceGetGpuInstancePossiblePlacements(gpu, profile_id, found, ctypes.byref(count))
    return list(found[: count.value])


def devices(nvml: ModuleType, gpu: object) -> list[object]:
    found = []
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        with contextlib.suppress(nvml.NVMLError_NotFound):
            found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index))
    return found


def test_profiles_and_places(nvml: ModuleType, gpu: object) -> None:
    info = nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, THREE_SLICES)
    assert (info.id, info.name, info.sliceCount, info.memorySizeMB) == (9, "MIG 3g.40gb", 3, 40448)
    assert [(at.start, at.size) for at in placements(nvml, gpu, info.id)] == [(0, 4), (4, 4)]
    assert nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, info.id) == 2
    assert code_of(nvml, "nvmlDeviceGetGpuInstanceProfileInfo", gpu, 5) == nvml.NVML_ERROR_NOT_SUPPORTED


def test_nothing_is_placed_outside_mig_mode(nvml: ModuleType) -> None:
    device = nvml.nvmlDeviceGetHandleByIndex(0)
    assert code_of(nvml, "nvmlDeviceCreateGpuInstance", device, 9) == nvml.NVML_ERROR_NOT_SUPPORTED


def test_an_instance_is_a_device_with_its_own_memory_and_processes(
    driver: FakeDriver, nvml: ModuleType, gpu: object
) -> None:
    place(nvml, gpu, THREE_SLICES, 4)
    (device,) = devices(nvml, gpu)
    assert nvml.nvmlDeviceGetName(device) == "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    driver.set({"gpu0.gi1.memory.used": 5000 * MIB, "gpu0.gi1.compute.4242": 4800 * MIB})
    memory = nvml.nvmlDeviceGetMemoryInfo(device, version=nvml.nvmlMemory_v2)
    assert (memory.total, memory.used) == (40448 * MIB, 5000 * MIB)
    for listing in (device, gpu):
        (process,) = nvml.nvmlDeviceGetComputeRunningProcesses(listing)
        assert (process.pid, process.gpuInstanceId) == (4242, 1)
    for listing in (device, gpu):
        assert code_of(nvml, "nvmlDeviceGetUtilizationRates", listing) == nvml.NVML_ERROR_NOT_SUPPORTED


def test_a_taken_slot_is_refused(nvml: ModuleType, gpu: object) -> None:
    place(nvml, gpu, THREE_SLICES, 0)
    at = nvml.c_nvmlGpuInstancePlacement_t(2, 1)
    refused = code_of(nvml, "nvmlDeviceCreateGpuInstanceWithPlacement", gpu, 19, ctypes.byref(at))
    assert refused == nvml.NVML_ERROR_INSUFFICIENT_RESOURCES
    assert nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, 9) == 1
    assert nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, 19) == 3


def test_an_instance_in_use_stays_and_its_successor_has_a_new_uuid(
    driver: FakeDriver, nvml: ModuleType, gpu: object
) -> None:
    instance, compute = place(nvml, gpu, THREE_SLICES, 4)
    uuid = nvml.nvmlDeviceGetUUID(nvml.nvmlComputeInstanceGetInfo_v2(compute).device)
    assert code_of(nvml, "nvmlGpuInstanceDestroy", instance) == nvml.NVML_ERROR_IN_USE
    driver.set({f"gpu0.gi1.compute.{os.getpid()}": MIB})
    assert code_of(nvml, "nvmlComputeInstanceDestroy", compute) == nvml.NVML_ERROR_IN_USE
    driver.drop(f"gpu0.gi1.compute.{os.getpid()}")
    nvml.nvmlComputeInstanceDestroy(compute)
    assert devices(nvml, gpu) == []
    nvml.nvmlGpuInstanceDestroy(instance)
    place(nvml, gpu, THREE_SLICES, 4)
    (device,) = devices(nvml, gpu)
    assert nvml.nvmlDeviceGetUUID(device) != uuid
    assert code_of(nvml, "nvmlDeviceGetHandleByUUID", uuid) == nvml.NVML_ERROR_NOT_FOUND


def test_other_processes_see_the_instances(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    place(nvml, gpu, ONE_SLICE, 6)
    (device,) = devices(nvml, gpu)
    code = "import sys; print(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByUUID(sys.argv[1])))"
    assert driver.python(code, nvml.nvmlDeviceGetUUID(device)) == "NVIDIA H100 80GB HBM3 MIG 1g.10gb\n"


def test_mig_mode_waits_for_instances_and_for_resets(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    instance = nvml.nvmlDeviceCreateGpuInstance(gpu, 9)
    assert nvml.nvmlDeviceSetMigMode(gpu, 0) == nvml.NVML_ERROR_IN_USE
    assert nvml.nvmlDeviceGetMigMode(gpu) == [1, 0]
    nvml.nvmlGpuInstanceDestroy(instance)
    driver.set({"gpu0.mig.activation": nvml.NVML_ERROR_RESET_REQUIRED})
    assert nvml.nvmlDeviceSetMigMode(gpu, 0) == nvml.NVML_ERROR_RESET_REQUIRED
    assert nvml.nvmlDeviceGetMigMode(gpu) == [1, 0]
    driver.drop("gpu0.mig.activation")
    assert nvml.nvmlDeviceSetMigMode(gpu, 0) == nvml.NVML_SUCCESS
    assert nvml.nvmlDeviceGetMigMode(gpu) == [0, 0]
