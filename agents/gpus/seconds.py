"""What is asked of a GPU every second: one call for many figures, and a few that have calls of their own."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from agents.gpus import fields, memory, nvml
from agents.gpus.answers import Answers
from agents.gpus.fields import Fields
from agents.gpus.gpm import Activity, Metric
from agents.gpus.rates import Rates
from profiles.observed.status import GpuReading


class _Rates(Protocol):
    gpu: int


_power_mw: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetPowerUsage")
_limit_mw: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetEnforcedPowerLimit")
_energy_mj: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetTotalEnergyConsumption")
_utilization: Callable[[nvml.Handle], _Rates] = nvml.call("nvmlDeviceGetUtilizationRates")
_reasons: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetCurrentClocksEventReasons")
_clock_mhz: Callable[[nvml.Handle, int], int] = nvml.call("nvmlDeviceGetClockInfo")
_margin_c: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetMarginTemperature")
_temperature_c: Callable[[nvml.Handle, int], int] = nvml.call("nvmlDeviceGetTemperatureV")
_temperature_old_c: Callable[[nvml.Handle, int], int] = nvml.call("nvmlDeviceGetTemperature")

# nvml.h: clocks, a sensor, clocks event reasons; idle and set clocks hold nobody back.
_SM_CLOCK, _MEMORY_CLOCK, _GPU_SENSOR = 1, 2, 0
_THROTTLE = (
    (0x04, "sw_power_cap"), (0x08, "hw_slowdown"), (0x10, "sync_boost"), (0x20, "sw_thermal"), (0x40, "hw_thermal"),
    (0x80, "hw_power_brake"),
)  # fmt: skip

_ACTIVITY = (
    ("sm_active_ratio", Metric.SM_ACTIVE), ("sm_occupancy_ratio", Metric.SM_OCCUPANCY), ("tensor_ratio", Metric.TENSOR),
    ("dram_ratio", Metric.DRAM), ("switching_ratio", Metric.SWITCHING),
)  # fmt: skip
_TRAFFIC = (
    ("pcie_tx_mib_s", ((fields.PCIE_TX, 1),)),
    ("pcie_rx_mib_s", ((fields.PCIE_RX, 1),)),
    ("nvlink_tx_mib_s", ((fields.NVLINK_TX, 1024), (fields.NVLINK5_TX, 1))),
    ("nvlink_rx_mib_s", ((fields.NVLINK_RX, 1024), (fields.NVLINK5_RX, 1))),
)
"""Figure → the counters that may tell it, each with the bytes that one count stands for."""
_NS_PER_S = 1e9


class Seconds:
    """Of one GPU, which `known` names."""

    def __init__(self, handle: nvml.Handle, known: GpuReading) -> None:
        self._handle = handle
        self._known = known
        self._fields = Fields(handle, fields.EACH_SECOND)
        self._activity = Activity(handle)
        self._rates = Rates()

    def read(self, answers: Answers, now_s: float) -> GpuReading:
        """Without processes and what else is asked less often; of a lost GPU, whatever it still said."""
        held = answers.ask("memory_total_mib", partial(memory.read, self._handle), nvml.LOST)
        if answers.lost:
            return self._known
        told = self._fields.read(now_s)
        percent = answers.ask("busy_ratio", lambda: _utilization(self._handle).gpu)
        reasons = answers.ask("throttle", partial(_reasons, self._handle))
        return replace(
            self._known,
            memory_total_mib=held.total_mib if held else None,
            memory_reserved_mib=held.reserved_mib if held else None,
            memory_used_mib=held.used_mib if held else None,
            busy_ratio=None if percent is None else percent / 100,
            throttle=tuple(word for bit, word in _THROTTLE if reasons and reasons & bit),
            throttled_ratio=self._throttled(answers, told, now_s),
            temperature_c=answers.ask("temperature_c", self._temperature_c),
            memory_temperature_c=self._memory_temperature_c(answers, told),
            margin_c=answers.ask("margin_c", partial(_margin_c, self._handle)),
            sm_clock_mhz=answers.ask("sm_clock_mhz", partial(_clock_mhz, self._handle, _SM_CLOCK)),
            memory_clock_mhz=answers.ask("memory_clock_mhz", partial(_clock_mhz, self._handle, _MEMORY_CLOCK)),
            **self._power(answers, told),
            **self._activities(answers),
            **self._traffic(answers, told, now_s),
        )

    def _power(self, answers: Answers, told: dict[int, float]) -> dict[str, float | None]:
        """A field that is zero is asked for by its own call too, which says whether it is a zero or nothing."""
        power_mw = told.get(fields.POWER_AVERAGE) or told.get(fields.POWER_NOW)
        power_mw = power_mw or answers.ask("power_w", partial(_power_mw, self._handle))
        limit_mw = told.get(fields.POWER_LIMIT) or answers.ask("power_limit_w", partial(_limit_mw, self._handle))
        energy_mj = told.get(fields.ENERGY) or answers.ask("energy_mj", partial(_energy_mj, self._handle))
        return {
            "power_w": None if power_mw is None else power_mw / 1000,
            "power_limit_w": None if limit_mw is None else limit_mw / 1000,
            "energy_mj": energy_mj,
        }

    def _activities(self, answers: Answers) -> dict[str, float | None]:
        gpm, code = self._activity.read(), self._activity.refused
        found = {name: answers.missing(name, gpm.get(metric), code) for name, metric in _ACTIVITY}
        return {name: None if percent is None else round(percent / 100, 4) for name, percent in found.items()}

    def _traffic(self, answers: Answers, told: dict[int, float], now_s: float) -> dict[str, float | None]:
        """MiB in a second, of the first counter that this GPU has."""
        found: dict[str, float | None] = {}
        for name, counters in _TRAFFIC:
            number, size = next((one for one in counters if one[0] in told), counters[0])
            code = self._fields.refused.get(number)
            per_s = self._rates.per_s(number, told.get(number), now_s, wraps=number in fields.NARROW)
            found[name] = answers.missing(name, None if per_s is None else round(per_s * size / nvml.MIB, 3), code)
        return found

    def _throttled(self, answers: Answers, told: dict[int, float], now_s: float) -> dict[str, float]:
        """The share of the last second for which clocks were held back, by the reason."""
        if told.keys().isdisjoint(fields.THROTTLED_NS):
            answers.missing("throttled_ratio", None, self._fields.refused.get(next(iter(fields.THROTTLED_NS))))
        rates = {
            reason: self._rates.per_s(number, told.get(number), now_s) for number, reason in fields.THROTTLED_NS.items()
        }
        return {reason: round(min(ns_per_s / _NS_PER_S, 1.0), 4) for reason, ns_per_s in rates.items() if ns_per_s}

    def _memory_temperature_c(self, answers: Answers, told: dict[int, float]) -> float | None:
        number = fields.MEMORY_TEMPERATURE
        return answers.missing("memory_temperature_c", told.get(number), self._fields.refused.get(number))

    def _temperature_c(self) -> float:
        try:
            return float(_temperature_c(self._handle, _GPU_SENSOR))
        except nvml.NvmlError as error:
            if error.value not in nvml.OLD_DRIVER:
                raise
            return float(_temperature_old_c(self._handle, _GPU_SENSOR))
