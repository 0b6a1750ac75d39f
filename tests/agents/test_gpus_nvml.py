"""Device against a driver whose answers are scripted, call by call."""

from types import SimpleNamespace

import pynvml
import pytest

from agents.gpus.nvml import MIB, Device, Nvml
from agents.gpus.processes import Processes
from profiles.status import GpuReading, GpuState

ANSWERS: dict[str, object] = {
    "nvmlInit": None,
    "nvmlDeviceGetCount": 2,
    "nvmlDeviceGetHandleByIndex": object(),
    "nvmlDeviceGetUUID": "GPU-1",
    "nvmlDeviceGetName": "H100",
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=1000 * MIB, reserved=100 * MIB, used=350 * MIB, free=650 * MIB),
    "nvmlDeviceGetPowerUsage": 350_500,
    "nvmlDeviceGetEnforcedPowerLimit": 700_000,
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=75),
    "nvmlDeviceGetCurrentClocksEventReasons": 0x24,
    "nvmlDeviceGetTemperatureV": 61,
    "nvmlDeviceGetTotalEnergyConsumption": 123,
    "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=4_194_305, usedGpuMemory=200 * MIB)],
    "nvmlDeviceGetGraphicsRunningProcesses": [],
    "nvmlDeviceGetMPSComputeRunningProcesses": [],
}


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Answers by call; an int under the key `error:CALL` is an NVML code raised instead."""
    answers = dict(ANSWERS)
    for name in ANSWERS:

        def call(*_: object, name: str = name, **__: object) -> object:
            if f"error:{name}" in answers:
                raise pynvml.NVMLError(answers[f"error:{name}"])
            return answers[name]

        monkeypatch.setattr(pynvml, name, call)
    return answers


def read() -> GpuReading:
    return Device(object(), 0, "GPU-1", "H100").read(Processes())


def test_everything_in_our_units() -> None:
    gpu = read()
    assert (gpu.memory_total_mib, gpu.memory_reserved_mib, gpu.memory_used_mib) == (1000, 100, 250)
    assert (gpu.busy_ratio, gpu.power_w, gpu.power_limit_w, gpu.temperature_c) == (0.75, 350.5, 700.0, 61.0)
    assert gpu.throttle == ("sw_power_cap", "sw_thermal")
    assert [(held.pid, held.memory_mib) for held in gpu.processes] == [(4_194_305, 200)]
    assert gpu.absent == {}


def test_what_a_gpu_cannot_say_has_a_reason_and_the_rest_stays(driver: dict[str, object]) -> None:
    driver["error:nvmlDeviceGetUtilizationRates"] = pynvml.NVML_ERROR_NOT_SUPPORTED
    driver["error:nvmlDeviceGetTotalEnergyConsumption"] = pynvml.NVML_ERROR_NO_PERMISSION
    gpu = read()
    assert gpu.busy_ratio is None
    assert gpu.absent == {"busy_ratio": "this GPU does not report it", "energy_mj": "needs more rights"}
    assert gpu.power_w == 350.5


@pytest.mark.parametrize("code", [15, 16, 999])
def test_a_lost_gpu_keeps_its_row(driver: dict[str, object], code: int) -> None:
    device = Device(object(), 3, "GPU-1", "H100")
    device.read(Processes())
    driver["error:nvmlDeviceGetMemoryInfo"] = code
    lost = device.read(Processes())
    assert (lost.state, lost.uuid, lost.index, lost.memory_total_mib) == (GpuState.LOST, "GPU-1", 3, 1000)
    assert lost.busy_ratio is None


def test_one_gpu_that_cannot_be_opened_hides_no_other(
    driver: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(index: int) -> object:
        if index == 0:
            raise pynvml.NVMLError(15)
        return object()

    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    assert [gpu.index for gpu in Nvml().read().gpus] == [1]
