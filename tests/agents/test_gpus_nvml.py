"""Reading GPUs through NVML, on a driver in C that answers as tests say."""

import time

import pytest

from agents.gpus import nvidia as ours
from agents.gpus.nvidia import Nvidia
from agents.gpus.source import NoGpus
from profiles.observed.status import GpuReading, GpuState
from tests.fakes.nvml.driver import MIB, FakeDriver

NOBODY = 4_194_305
"""Above the highest pid: a process of another pid namespace."""


pytestmark = pytest.mark.usefixtures("nvml")  # pynvml in this process is on the fake driver


def first() -> GpuReading:
    return Nvidia().read().gpus[0]


def test_everything_in_our_units(driver: FakeDriver) -> None:
    driver.set({
        "gpu0.busy": 75, "gpu0.power_mw": 350_500, "gpu0.reasons": "0x24", "gpu0.temperature_c.0": 61,
        "gpu0.energy_mj": 1 << 40, "gpu0.memory.used": 250 * MIB,
    })  # fmt: skip
    driver.hold(0, NOBODY, 200)
    gpu = first()
    assert (gpu.index, gpu.name) == (0, "NVIDIA H100 80GB HBM3")
    assert (gpu.memory_total_mib, gpu.memory_reserved_mib, gpu.memory_used_mib) == (81559, 600, 250)
    assert (gpu.busy_ratio, gpu.power_w, gpu.power_limit_w, gpu.temperature_c) == (0.75, 350.5, 700.0, 61.0)
    assert gpu.energy_mj == 1 << 40
    assert gpu.throttle == ("sw_power_cap", "sw_thermal")
    assert [(held.pid, held.memory_mib, held.name) for held in gpu.processes] == [(NOBODY, 200, "")]
    assert gpu.absent == {}


def test_power_and_energy_come_in_one_call(driver: FakeDriver) -> None:
    calls = ("PowerUsage", "EnforcedPowerLimit", "TotalEnergyConsumption")
    driver.set({f"fault.nvmlDeviceGet{call}": 999 for call in calls})
    gpu = first()
    assert (gpu.power_w, gpu.power_limit_w, gpu.energy_mj, gpu.absent) == (70.0, 700.0, 1_000_000, {})


@pytest.mark.parametrize("code", [3, 13])
def test_an_old_driver_is_asked_one_by_one(driver: FakeDriver, code: int) -> None:
    newer = ("FieldValues", "TemperatureV", "MemoryInfo_v2")
    driver.set({f"fault.nvmlDeviceGet{call}": code for call in newer if code == 13 or call == "FieldValues"})
    gpu = first()
    assert (gpu.power_w, gpu.power_limit_w, gpu.energy_mj, gpu.temperature_c) == (70.0, 700.0, 1_000_000, 30.0)
    assert (gpu.memory_reserved_mib, gpu.memory_used_mib) == ((600, 0) if code == 3 else (None, 600))


def test_what_a_gpu_cannot_say_has_a_reason_and_the_rest_stays(driver: FakeDriver) -> None:
    driver.drop("gpu0.busy", "gpu0.energy_mj")
    driver.set({"gpu0.fault.nvmlDeviceGetTemperatureV": 4})
    gpu = first()
    assert (gpu.busy_ratio, gpu.energy_mj, gpu.temperature_c) == (None, None, None)
    unknown = "this GPU does not report it"
    assert gpu.absent == {"busy_ratio": unknown, "energy_mj": unknown, "temperature_c": "needs more rights"}
    assert gpu.power_w == 70.0


def test_in_mig_mode_a_gpu_knows_no_utilization(driver: FakeDriver) -> None:
    driver.set({"gpu0.mig.current": 1})
    assert first().absent == {
        "busy_ratio": "this GPU does not report it",
        "process_busy_ratio": "the driver does not tell it in MIG mode",
    }


@pytest.mark.parametrize("code", [15, 16, 999])
def test_a_lost_gpu_keeps_its_row_and_comes_back(driver: FakeDriver, code: int) -> None:
    driver.add()
    driver.set({"gpu1.busy": 83})
    driver.hold(1, NOBODY, 200)
    reader = Nvidia()
    before_unix_s = time.time()
    known = reader.read().gpus[1]
    driver.set({"gpu1.fault": code})
    fine, lost = reader.read().gpus
    assert (lost.state, lost.uuid, lost.index, lost.memory_total_mib) == (GpuState.LOST, known.uuid, 1, 81559)
    assert (lost.busy_ratio, lost.processes) == (0.83, known.processes)
    assert lost.seen_unix_s is not None
    assert before_unix_s <= lost.seen_unix_s <= time.time()
    assert "fallen off the bus" in lost.absent["state"]
    assert (fine.state, fine.power_w) == (GpuState.OK, 70.0)
    driver.drop("gpu1.fault")
    assert [gpu.state for gpu in reader.read().gpus] == [GpuState.OK, GpuState.OK]


def test_an_unknown_error_of_one_call_loses_no_gpu(driver: FakeDriver) -> None:
    driver.set({"gpu0.fault.nvmlDeviceGetMarginTemperature": 999})
    gpu = first()
    assert (gpu.state, gpu.margin_c, gpu.temperature_c) == (GpuState.OK, None, 30.0)
    assert gpu.absent == {"margin_c": "Unknown Error"}
    driver.set({"gpu0.fault.nvmlDeviceGetMarginTemperature": 15})
    assert first().state is GpuState.LOST


def test_a_gpu_is_its_uuid_whatever_its_number(driver: FakeDriver) -> None:
    driver.add()
    driver.set({"gpu0.busy": 11, "gpu1.busy": 22})
    before = {gpu.uuid: (gpu.index, gpu.busy_ratio) for gpu in Nvidia().read().gpus}
    swapped = {f"gpu{at}.{key}": driver.state[f"gpu{1 - at}.{key}"] for at in (0, 1) for key in ("uuid", "busy", "pci")}
    driver.set(swapped)
    after = {gpu.uuid: (gpu.index, gpu.busy_ratio) for gpu in Nvidia().read().gpus}
    assert after == {uuid: (1 - index, busy) for uuid, (index, busy) in before.items()}


def test_a_gpu_that_cannot_be_opened_is_named_and_tried_again(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "_REOPEN_READS", 1)
    driver.add()
    driver.set({"gpu0.fault": 15})
    reader = Nvidia()
    frame = reader.read()
    assert [gpu.index for gpu in frame.gpus] == [1]
    assert frame.source.note == "GPU 0 cannot be opened (GPU is lost)"
    driver.drop("gpu0.fault")
    frame = reader.read()
    assert ([gpu.index for gpu in frame.gpus], frame.source.note) == ([0, 1], "")


@pytest.mark.parametrize(("code", "said"), [(9, "not loaded"), (18, "differ in version"), (17, "blocked")])
def test_no_driver_is_said_in_a_sentence(driver: FakeDriver, code: int, said: str) -> None:
    driver.set({"fault.nvmlInit": code})
    with pytest.raises(NoGpus, match=said):
        Nvidia()


def test_a_driver_without_gpus(driver: FakeDriver) -> None:
    driver.set({"gpus": 0})
    with pytest.raises(NoGpus, match="lists no GPU"):
        Nvidia()
