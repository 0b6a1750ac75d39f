"""The MIG devices of a GPU: which there are, and what each holds and does.

A driver numbers them with holes, and a handle may come back for another device: both are looked at anew when one
does not answer, and every ten seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from agents.gpus import gpu_instances, memory, nvml
from agents.gpus.gpm import Activity, Metric
from agents.gpus.processes import Processes
from agents.gpus.tenants import Tenants
from profiles.observed.gpus import MigDevice, MigState
from profiles.observed.status import GpuProcess


class _Attributes(Protocol):
    multiprocessorCount: int


read_mode: Callable[[nvml.Handle], Sequence[int]] = nvml.call("nvmlDeviceGetMigMode")
most: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetMaxMigDeviceCount")
at: Callable[[nvml.Handle, int], nvml.Handle] = nvml.call("nvmlDeviceGetMigDeviceHandleByIndex")
gi_id_of: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetGpuInstanceId")
_ci_id: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetComputeInstanceId")
_attributes: Callable[[nvml.Handle], _Attributes] = nvml.call("nvmlDeviceGetAttributes")


def mode(handle: nvml.Handle, resetless: bool | None) -> MigState | None:
    """None on a GPU that knows no MIG."""
    found = nvml.maybe(partial(read_mode, handle), but=nvml.LOST)
    return None if found is None else MigState(current=bool(found[0]), pending=bool(found[1]), resetless=resetless)


class MigDevices:
    """Of one GPU in MIG mode."""

    def __init__(self, gpu: nvml.Handle, processes: Processes) -> None:
        self._gpu = gpu
        self._processes = processes
        self._parts: list[_Part] = []

    def look_again(self) -> None:
        """Which devices there are now. Raises NvmlError."""
        known = {part.identity: part for part in self._parts}
        found = [_Part(self._gpu, handle, self._processes) for handle in self._handles()]
        self._parts = [known.pop(part.identity, part) for part in found]
        for gone in known.values():
            gone.close()

    def read(self) -> tuple[tuple[MigDevice, ...], tuple[GpuProcess, ...]]:
        """In the order of their placement, and who is on them."""
        try:
            told = [part.read() for part in self._parts]
        except nvml.NvmlError:
            self.look_again()
            told = [part.read() for part in self._parts]
        told.sort(key=lambda pair: (pair[0].start is None, pair[0].start or 0, pair[0].gi_id, pair[0].ci_id))
        return tuple(device for device, _ in told), tuple(one for _, held in told for one in held)

    def close(self) -> None:
        for part in self._parts:
            part.close()
        self._parts = []

    def _handles(self) -> Iterator[nvml.Handle]:
        for index in range(most(self._gpu)):
            handle = nvml.maybe(partial(at, self._gpu, index), but=nvml.LOST)
            if handle is not None:
                yield handle


class _Part:
    """One MIG device. Raises NvmlError when it is gone."""

    def __init__(self, gpu: nvml.Handle, handle: nvml.Handle, processes: Processes) -> None:
        self._handle = handle
        uuid, gi_id = nvml.uuid(handle), gi_id_of(handle)
        attributes = nvml.maybe(partial(_attributes, handle))
        placement = nvml.maybe(
            lambda: gpu_instances.info(gpu_instances.by_id(gpu, gi_id)).placement
        )  # wants root on some drivers
        self._known = MigDevice(
            uuid=uuid,
            profile=nvml.name(handle).rpartition("MIG ")[2],
            start=placement.start if placement else None,
            size=placement.size if placement else None,
            gi_id=gi_id,
            ci_id=_ci_id(handle),
            multiprocessors=attributes.multiprocessorCount if attributes else None,
        )
        self.identity = (uuid, gi_id)
        self._tenants = Tenants(handle, processes, mig=uuid)
        self._activity = Activity(gpu, gi_id)

    def read(self) -> tuple[MigDevice, tuple[GpuProcess, ...]]:
        held = memory.read(self._handle)
        busy = self._activity.read().get(Metric.SM_ACTIVE)
        device = MigDevice(
            uuid=self._known.uuid,
            profile=self._known.profile,
            start=self._known.start,
            size=self._known.size,
            gi_id=self._known.gi_id,
            ci_id=self._known.ci_id,
            multiprocessors=self._known.multiprocessors,
            memory_total_mib=held.total_mib,
            memory_used_mib=held.used_mib,
            sm_active_ratio=None if busy is None else busy / 100,
        )
        return device, self._tenants.read()

    def close(self) -> None:
        self._activity.close()
