"""Changing a GPU through NVML: its MIG mode and instances, persistence, compute mode. For a process of its own.

    CreateGpuInstance ──► GPU instance at its place ──► compute instance that fills it ──► Created
                               └──────── taken back where the second cannot be made ◄─────┘

Needs root, or, for instances alone, the capability `mig/config` (MIG user guide). Every call may hang where the driver
does.
"""

import contextlib
from collections.abc import Callable, Iterator

from agents.gpus import gpu_instances, nvml
from agents.gpus.gpu_instances import Instance
from agents.gpus.tenants import LISTS
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


_set_mig_mode: Callable[[nvml.Handle, int], int] = nvml.call("nvmlDeviceSetMigMode")
_set_persistence: Callable[[nvml.Handle, int], None] = nvml.call("nvmlDeviceSetPersistenceMode")
_set_compute_mode: Callable[[nvml.Handle, int], None] = nvml.call("nvmlDeviceSetComputeMode")
_DEFAULT: int = nvml.struct("NVML_COMPUTEMODE_DEFAULT")
_EXCLUSIVE: int = nvml.struct("NVML_COMPUTEMODE_EXCLUSIVE_PROCESS")


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """The driver, for as long as it is needed. Raises NvmlRefused, also for what is called inside."""
    try:
        with nvml.opened():
            yield
    except nvml.NvmlError as error:
        raise NvmlRefused(error.value, str(error)) from None


def set_mig_mode(call: SetMigMode) -> Switched:
    return Switched(held_up=_set_mig_mode(nvml.by_uuid(call.gpu), int(call.to is Switch.ON)))


def create(call: CreateGpuInstance) -> Created:
    made = gpu_instances.create(nvml.by_uuid(call.gpu), call.profile, call.start, call.size)
    try:
        fills = max(gpu_instances.compute_profiles(made), key=lambda one: (one.sliceCount, one.id))
        compute = gpu_instances.compute_info(gpu_instances.create_compute(made, fills.id))
        gi_id = gpu_instances.info(made).id
        return Created(gi_id=gi_id, ci_id=compute.id, uuid=nvml.uuid(compute.device))
    except nvml.NvmlError:
        with contextlib.suppress(nvml.NvmlError):
            _destroy(made)
        raise


def destroy(call: DestroyGpuInstance) -> Done:
    _destroy(gpu_instances.by_id(nvml.by_uuid(call.gpu), call.gi_id))
    return Done()


def set_persistence(call: SetPersistence) -> Done:
    _set_persistence(nvml.by_uuid(call.gpu), int(call.to is Switch.ON))
    return Done()


def set_compute_mode(call: SetComputeMode) -> Done:
    _set_compute_mode(nvml.by_uuid(call.gpu), _EXCLUSIVE if call.to is ComputeMode.EXCLUSIVE else _DEFAULT)
    return Done()


def pids() -> set[int]:
    """Whoever holds any GPU of this machine, by the driver's own lists."""
    found: set[int] = set()
    for index in range(nvml.count()):
        for listed in LISTS:
            with contextlib.suppress(nvml.NvmlError):  # a GPU that is lost, a list that it does not have
                found.update(one.pid for one in listed(nvml.by_index(index)))
    return found


def _destroy(instance: Instance) -> None:
    for profile in gpu_instances.compute_profiles(instance):
        for compute in gpu_instances.computes(instance, profile.id):
            gpu_instances.destroy_compute(compute)
    gpu_instances.destroy(instance)
