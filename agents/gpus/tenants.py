"""Who is on a device: the driver's three lists of processes, and how busy each keeps it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from agents.gpus import nvml
from agents.gpus.processes import Processes
from profiles.observed.status import GpuProcess

LOOK_BACK_S = 2.5
"""Samples of processes older than this are of another look."""


class _Listed(Protocol):
    pid: int
    usedGpuMemory: int | None


class _Sample(Protocol):
    pid: int
    timeStamp: int
    smUtil: int


_List = Callable[[nvml.Handle], Sequence[_Listed]]
COMPUTE: _List = nvml.call("nvmlDeviceGetComputeRunningProcesses")
LISTS: Sequence[_List] = (
    COMPUTE, nvml.call("nvmlDeviceGetGraphicsRunningProcesses"), nvml.call("nvmlDeviceGetMPSComputeRunningProcesses")
)  # fmt: skip
"""A process may be on two of them."""
_samples: Callable[[nvml.Handle, int], Sequence[_Sample]] = nvml.call("nvmlDeviceGetProcessUtilization")


class Tenants:
    """Of a GPU, or of one of its MIG devices. What the driver refuses is NvmlError."""

    def __init__(self, handle: nvml.Handle, processes: Processes, mig: str | None = None) -> None:
        self._handle = handle
        self._processes = processes
        self._mig = mig
        self.activity_refused: int | None = None
        """The code with which the driver says nothing of how busy each is."""

    def read(self) -> tuple[GpuProcess, ...]:
        """Those of a driver that cannot tell who is busy have no `busy_ratio`; those that it does not name have 0."""
        held = self._held()
        busy = self._busy() if held and self._mig is None else None
        return tuple(self._describe(pid, used, busy) for pid, used in sorted(held.items()))

    def _held(self) -> dict[int, int | None]:
        """Bytes by pid. A process may be on two of the lists."""
        found: dict[int, int | None] = {}
        for listed in LISTS:
            try:
                found |= {one.pid: one.usedGpuMemory for one in listed(self._handle)}
            except nvml.NvmlError as error:
                if error.value not in nvml.NOTHING_THERE:
                    raise
        return found

    def _busy(self) -> Mapping[int, int] | None:
        """Per cent of the SMs by pid, lately. The driver answers "not found", or success and nothing, when idle."""
        since_us = int((time.time() - LOOK_BACK_S) * 1e6)
        try:
            samples = sorted(_samples(self._handle, since_us), key=lambda one: one.timeStamp)
        except nvml.NvmlError as error:
            self.activity_refused = None if error.value in (0, nvml.NOT_FOUND) else error.value
            return {} if self.activity_refused is None else None
        self.activity_refused = None
        return {one.pid: one.smUtil for one in samples}

    def _describe(self, pid: int, used: int | None, busy: Mapping[int, int] | None) -> GpuProcess:
        known = self._processes.describe(pid, None if used is None else used // nvml.MIB)
        busy_ratio = None if busy is None else min(busy.get(pid, 0), 100) / 100
        return msgspec.structs.replace(known, busy_ratio=busy_ratio, mig=self._mig)
