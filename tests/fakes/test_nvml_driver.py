"""What the fake driver answers, and what can be done to it while clients run."""

import threading
import time
from types import ModuleType

import pytest

from tests.fakes.nvml.driver import MIB, FakeDriver


@pytest.fixture
def gpu(nvml: ModuleType) -> object:
    return nvml.nvmlDeviceGetHandleByIndex(0)


def code_of(nvml: ModuleType, call: str, *arguments: object) -> int:
    """The code with which a call is refused."""
    with pytest.raises(nvml.NVMLError) as refused:
        getattr(nvml, call)(*arguments)
    return int(refused.value.value)


def test_an_idle_h100(nvml: ModuleType, gpu: object) -> None:
    assert nvml.nvmlSystemGetDriverVersion() == "580.95.05"
    assert nvml.nvmlDeviceGetName(gpu) == "NVIDIA H100 80GB HBM3"
    assert nvml.nvmlDeviceGetPciInfo(gpu).busId == "00000000:1B:00.0"
    assert nvml.nvmlDeviceGetCudaComputeCapability(gpu) == (9, 0)
    assert nvml.nvmlDeviceGetTemperatureV(gpu, 0) == nvml.nvmlDeviceGetTemperature(gpu, 0) == 30
    assert nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_MEM) == 2619
    assert nvml.nvmlDeviceGetComputeRunningProcesses(gpu) == []


def test_a_change_is_seen_by_a_client_that_runs(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.set({"gpu0.busy": 37, "gpu0.memory_busy": 12, "gpu0.reasons": "0x24"})
    rates = nvml.nvmlDeviceGetUtilizationRates(gpu)
    assert (rates.gpu, rates.memory) == (37, 12)
    assert nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu) == 0x24


def test_reserved_memory_is_used_in_the_first_version_only(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.set({"gpu0.memory.used": 1000 * MIB})
    new, old = nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2), nvml.nvmlDeviceGetMemoryInfo(gpu)
    assert new.total == new.reserved + new.used + new.free
    assert (new.used, old.used) == (1000 * MIB, 1600 * MIB)


def test_a_missing_key_is_not_supported(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    assert code_of(nvml, "nvmlDeviceGetFanSpeed", gpu) == nvml.NVML_ERROR_NOT_SUPPORTED
    driver.set({"gpu0.fan": 55})
    assert nvml.nvmlDeviceGetFanSpeed(gpu) == 55


def test_each_field_has_its_own_answer(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.set({"gpu0.energy_mj": 1 << 40, "gpu0.field.139.4294967295": "u64 77", "gpu0.field.193": "i32 -5"})
    asked = [nvml.NVML_FI_DEV_POWER_INSTANT, nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 82, (139, 0xFFFFFFFF), 193, 307]
    fields = nvml.nvmlDeviceGetFieldValues(gpu, asked)
    assert [field.nvmlReturn for field in fields] == [0, 0, 0, 0, 0, nvml.NVML_ERROR_NOT_SUPPORTED]
    assert [fields[0].value.uiVal, fields[1].value.ullVal, fields[2].value.uiVal] == [70_000, 1 << 40, 38]
    assert [fields[3].value.ullVal, fields[4].value.siVal] == [77, -5]


def test_processes_their_memory_and_their_share(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.hold(0, 4242, 2048, busy=60)
    driver.set({"gpu0.graphics.4243": "n/a"})
    (compute,), (graphics,) = (
        nvml.nvmlDeviceGetComputeRunningProcesses(gpu),
        nvml.nvmlDeviceGetGraphicsRunningProcesses(gpu),
    )
    assert (compute.pid, compute.usedGpuMemory, compute.gpuInstanceId) == (4242, 2048 * MIB, 0xFFFFFFFF)
    assert (graphics.pid, graphics.usedGpuMemory) == (4243, None)
    (sample,) = nvml.nvmlDeviceGetProcessUtilization(gpu, 0)
    assert (sample.pid, sample.smUtil) == (4242, 60)
    assert code_of(nvml, "nvmlDeviceGetProcessUtilization", gpu, 1 << 62) == nvml.NVML_ERROR_NOT_FOUND


@pytest.mark.parametrize("code", [4, 15, 16, 18, 999])
def test_any_code_instead_of_an_answer(driver: FakeDriver, nvml: ModuleType, gpu: object, code: int) -> None:
    driver.set({"gpu0.fault.nvmlDeviceGetPowerUsage": code})
    assert code_of(nvml, "nvmlDeviceGetPowerUsage", gpu) == code
    assert nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) == 700_000
    driver.drop("gpu0.fault.nvmlDeviceGetPowerUsage")
    assert nvml.nvmlDeviceGetPowerUsage(gpu) == 70_000


def test_a_gpu_is_lost_alone(driver: FakeDriver, nvml: ModuleType) -> None:
    driver.add()
    driver.set({"gpu0.fault": 15, "gpu1.busy": 5})
    assert code_of(nvml, "nvmlDeviceGetHandleByIndex", 0) == nvml.NVML_ERROR_GPU_IS_LOST
    assert nvml.nvmlDeviceGetUtilizationRates(nvml.nvmlDeviceGetHandleByIndex(1)).gpu == 5


def test_a_call_hangs_until_it_is_let_go(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.set({"fault.nvmlDeviceGetPowerUsage": "hang"})
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(nvml.nvmlDeviceGetPowerUsage(gpu)))
    waiting.start()
    assert nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) == 700_000
    waiting.join(0.2)
    assert waiting.is_alive()
    driver.drop("fault.nvmlDeviceGetPowerUsage")
    waiting.join(10)
    assert answers == [70_000]


def test_a_call_is_slow_by_as_much_as_is_asked(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.set({"fault.nvmlDeviceGetPowerUsage": "delay 60"})
    began_s = time.monotonic()
    assert nvml.nvmlDeviceGetPowerUsage(gpu) == 70_000
    assert time.monotonic() - began_s >= 0.06


def test_xids_come_through_an_event_set_once_and_never_from_the_past(
    driver: FakeDriver, nvml: ModuleType, gpu: object
) -> None:
    driver.post(0, 13)
    events = nvml.nvmlEventSetCreate()
    nvml.nvmlDeviceRegisterEvents(gpu, nvml.nvmlEventTypeXidCriticalError, events)
    assert code_of(nvml, "nvmlEventSetWait_v2", events, 0) == nvml.NVML_ERROR_TIMEOUT
    driver.post(0, 31)
    driver.post(0, 79)
    told = [nvml.nvmlEventSetWait_v2(events, 1000) for _ in range(2)]
    assert [(event.eventType, event.eventData) for event in told] == [(8, 31), (8, 79)]
    driver.set({"gpu0.fault": 15})
    assert code_of(nvml, "nvmlEventSetWait_v2", events, 1000) == nvml.NVML_ERROR_GPU_IS_LOST
    nvml.nvmlEventSetFree(events)


def test_an_unsupported_event_registers_nothing(nvml: ModuleType, gpu: object) -> None:
    events = nvml.nvmlEventSetCreate()
    assert code_of(nvml, "nvmlDeviceRegisterEvents", gpu, 0x8 | 0x8000, events) == nvml.NVML_ERROR_NOT_SUPPORTED
    nvml.nvmlEventSetFree(events)
