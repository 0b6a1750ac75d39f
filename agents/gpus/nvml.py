"""NVIDIA GPUs through NVML. With agents.gpus.facts the only importer of pynvml (nvidia-ml-py 13.590 and later)."""

from collections.abc import Callable
from typing import TypeVar

import pynvml

from agents.gpus.processes import Processes
from agents.gpus.source import Frame, NoGpus
from profiles.status import GpuProcess, GpuReading, GpuSource, GpuSourceKind, GpuState

T = TypeVar("T")

SOURCE = GpuSource(GpuSourceKind.NVML)
MIB = 1024 * 1024
_REOPEN_READS = 60
"""Reads between two tries to open a GPU that could not be opened."""

# nvml.h, NVML return codes.
_NOT_SUPPORTED, _NO_PERMISSION, _NOT_FOUND, _FUNCTION_NOT_FOUND, _OLD_VERSION, _NO_DATA = 3, 4, 6, 13, 25, 21
_LOST = frozenset({15, 16, 999})
_ABSENT = {
    _NOT_SUPPORTED: "this GPU does not report it",
    _NO_PERMISSION: "needs more rights",
    _FUNCTION_NOT_FOUND: "the driver is too old for it",
    _OLD_VERSION: "the driver is too old for it",
}
_SENTENCES = {
    9: "the NVIDIA driver is not loaded on this machine",
    12: "no NVIDIA driver on this machine (libnvidia-ml.so.1 not found)",
    18: "the NVIDIA library and the loaded driver differ in version: reload the driver or reboot",
}

# nvml.h, field values: power averaged over a second (Ampere and later, but not GA100) and now, the limit in force,
# energy. One call answers all of them; drivers before 530 know them only by a call each.
_POWER_AVERAGE, _POWER_NOW, _POWER_LIMIT, _ENERGY = 185, 186, 190, 191
_FIELDS = (_POWER_AVERAGE, _POWER_NOW, _POWER_LIMIT, _ENERGY)

# nvml.h, clocks event reasons; idle and set clocks hold nobody back.
_THROTTLE = (
    (0x04, "sw_power_cap"), (0x08, "hw_slowdown"), (0x10, "sync_boost"), (0x20, "sw_thermal"), (0x40, "hw_thermal"),
    (0x80, "hw_power_brake"),
)  # fmt: skip


class Nvml:
    """Raises NoGpus with a sentence when there is no library, no driver or no GPU."""

    def __init__(self) -> None:
        try:
            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            raise NoGpus(_SENTENCES.get(error.value, f"NVML: {error}")) from None
        self._gpus: dict[int, Device] = {}
        self._closed = dict.fromkeys(range(count), "")
        self._open_closed()
        if not self._gpus:
            raise NoGpus("the NVIDIA driver is loaded, but lists no GPU that can be opened")
        self._processes = Processes()
        self._reads = 0

    def read(self) -> Frame:
        self._reads += 1
        if self._closed and self._reads % _REOPEN_READS == 0:
            self._open_closed()
        source = SOURCE
        if self._closed:
            note = ", ".join(f"GPU {index} cannot be opened ({why})" for index, why in self._closed.items())
            source = GpuSource(GpuSourceKind.NVML, note)
        frame = Frame(source, tuple(gpu.read(self._processes) for _, gpu in sorted(self._gpus.items())))
        self._processes.forget_old()
        return frame

    def _open_closed(self) -> None:
        """A GPU that cannot even be named has no UUID to keep a row under; it is tried again."""
        for index in tuple(self._closed):
            try:
                self._gpus[index] = _open(index)
                del self._closed[index]
            except pynvml.NVMLError as error:
                self._closed[index] = str(error)


class Device:
    """One GPU. What it is, is read once; once lost, it keeps its row under its UUID."""

    def __init__(self, handle: object, index: int, uuid: str, name: str) -> None:
        self._handle = handle
        self._absent: dict[str, str] = {}
        self._lost = False
        self._last = GpuReading(uuid=uuid, index=index, name=name)

    def read(self, processes: Processes) -> GpuReading:
        self._absent, self._lost = {}, False
        memory = self._ask("memory_total_mib", self._memory)
        if self._lost:
            return self._lost_reading()
        total_mib, reserved_mib, used_mib = memory or (None, None, None)
        # A field that is zero is asked for by its own call too, which says whether it is a zero or nothing.
        ask, handle, fields = self._ask, self._handle, self._fields()
        power_mw = fields.get(_POWER_AVERAGE) or fields.get(_POWER_NOW)
        power_mw = power_mw or ask("power_w", lambda: int(pynvml.nvmlDeviceGetPowerUsage(handle)))
        limit_mw = fields.get(_POWER_LIMIT)
        limit_mw = limit_mw or ask("power_limit_w", lambda: int(pynvml.nvmlDeviceGetEnforcedPowerLimit(handle)))
        energy_mj = fields.get(_ENERGY)
        energy_mj = energy_mj or ask("energy_mj", lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)))
        percent = ask("busy_ratio", lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        reasons = ask("throttle", lambda: int(pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)))
        self._last = GpuReading(
            uuid=self._last.uuid,
            index=self._last.index,
            name=self._last.name,
            memory_total_mib=total_mib,
            memory_reserved_mib=reserved_mib,
            memory_used_mib=used_mib,
            busy_ratio=None if percent is None else percent / 100,
            power_w=None if power_mw is None else power_mw / 1000,
            power_limit_w=None if limit_mw is None else limit_mw / 1000,
            temperature_c=ask("temperature_c", self._temperature),
            energy_mj=energy_mj,
            throttle=tuple(word for bit, word in _THROTTLE if reasons and reasons & bit),
            processes=ask("processes", lambda: self._held(processes)) or (),
            absent=self._absent,
        )
        return self._last

    def _lost_reading(self) -> GpuReading:
        return GpuReading(
            uuid=self._last.uuid,
            index=self._last.index,
            name=self._last.name,
            state=GpuState.LOST,
            memory_total_mib=self._last.memory_total_mib,
            absent={"state": "the GPU has fallen off the bus or needs a reset"},
        )

    def _ask(self, field: str, call: Callable[[], T]) -> T | None:
        """The answer, or None with the reason in `absent`."""
        try:
            return call()
        except pynvml.NVMLError as error:
            self._lost = self._lost or error.value in _LOST
            self._absent[field] = _ABSENT.get(error.value, str(error))
            return None

    def _fields(self) -> dict[int, int]:
        """What the driver serves of _FIELDS."""
        try:
            values = pynvml.nvmlDeviceGetFieldValues(self._handle, _FIELDS)
        except pynvml.NVMLError:
            return {}
        return {
            value.fieldId: int(
                value.value.uiVal if value.valueType == pynvml.NVML_VALUE_TYPE_UNSIGNED_INT else value.value.ullVal
            )
            for value in values
            if value.nvmlReturn == pynvml.NVML_SUCCESS
        }

    def _memory(self) -> tuple[int, int | None, int]:
        """Total, reserved and used. Old drivers know the first version alone, which counts reserved as used."""
        try:
            v2 = pynvml.nvmlDeviceGetMemoryInfo(self._handle, version=pynvml.nvmlMemory_v2)
        except pynvml.NVMLError as error:
            if error.value not in (_OLD_VERSION, _FUNCTION_NOT_FOUND):
                raise
            v1 = pynvml.nvmlDeviceGetMemoryInfo(self._handle)
            return v1.total // MIB, None, v1.used // MIB
        # The header contradicts itself on whether `used` includes reserved; total − free − reserved does not.
        return v2.total // MIB, v2.reserved // MIB, (v2.total - v2.free - v2.reserved) // MIB

    def _temperature(self) -> float:
        try:
            return float(pynvml.nvmlDeviceGetTemperatureV(self._handle, pynvml.NVML_TEMPERATURE_GPU))
        except pynvml.NVMLError as error:
            if error.value not in (_OLD_VERSION, _FUNCTION_NOT_FOUND):
                raise
            return float(pynvml.nvmlDeviceGetTemperature(self._handle, pynvml.NVML_TEMPERATURE_GPU))

    def _held(self, processes: Processes) -> tuple[GpuProcess, ...]:
        found: dict[int, int | None] = {}
        for listed in (
            pynvml.nvmlDeviceGetComputeRunningProcesses,
            pynvml.nvmlDeviceGetGraphicsRunningProcesses,
            pynvml.nvmlDeviceGetMPSComputeRunningProcesses,
        ):
            try:
                found |= {one.pid: one.usedGpuMemory for one in listed(self._handle)}
            except pynvml.NVMLError as error:
                if error.value not in (_NOT_SUPPORTED, _FUNCTION_NOT_FOUND, _NOT_FOUND, _NO_DATA):
                    raise
        return tuple(
            processes.describe(pid, None if used is None else used // MIB) for pid, used in sorted(found.items())
        )


def _open(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Device(handle, index, pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle))
