"""What a GPU says less often than every second, or only from two looks: rates, activity, ECC, MIG devices, tenants."""

import ctypes
import os
from types import ModuleType

import pytest

from agents.gpus import gpm
from agents.gpus.fields import _VALUE as layout
from agents.gpus.fields import EACH_SECOND, ENERGY, RETRY_S, Fields
from agents.gpus.nvidia import Nvidia
from agents.gpus.rates import WRAP, Rates
from profiles.observed.gpus import GpuErrors, GpuPeer, MigState, Nearness, Recovery
from profiles.observed.status import GpuReading
from tests.fakes.nvml.driver import MIB, FakeDriver

pytestmark = pytest.mark.usefixtures("nvml")


class Clock:
    """Reads all GPUs at seconds that the test counts."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.gpus = Nvidia(clock=lambda: self.now_s)

    def read(self, after_s: float = 1.0) -> GpuReading:
        self.now_s += after_s
        return self.gpus.read().gpus[0]


def test_only_what_a_gpu_serves_is_asked_again(driver: FakeDriver, nvml: ModuleType) -> None:
    driver.drop("gpu0.temperature_c.memory")
    fields = Fields(nvml.nvmlDeviceGetHandleByIndex(0), EACH_SECOND)
    assert 82 not in fields.read(0.0)
    assert fields.refused[82] == nvml.NVML_ERROR_NOT_SUPPORTED
    driver.set({"gpu0.temperature_c.memory": 44, "gpu0.energy_mj": 7})
    told = fields.read(RETRY_S - 1)
    assert (82 in told, told[ENERGY]) == (False, 7)
    assert fields.read(RETRY_S)[82] == 44
    assert 82 not in fields.refused


def test_values_are_laid_out_as_pynvml_has_them(nvml: ModuleType) -> None:
    told = nvml.c_nvmlFieldValue_t
    assert layout.size == ctypes.sizeof(told)
    offsets = [getattr(told, name).offset for name in ("fieldId", "valueType", "nvmlReturn", "value")]
    assert offsets == [0, 24, 28, 32]


@pytest.mark.parametrize(
    ("counts", "wraps", "rates"),
    [
        ((0, 500, 900), False, (None, 250.0, 200.0)),
        ((900, 100, 300), False, (None, 50.0, 100.0)),
        ((WRAP - 100, 100, 300), True, (None, 100.0, 100.0)),
        ((5, None, 9), False, (None, None, None)),
    ],
)
def test_rates_are_of_neighbours(counts: tuple[int | None, ...], wraps: bool, rates: tuple[float | None, ...]) -> None:
    told = Rates()
    found = tuple(told.per_s("n", count, 10.0 + 2 * at, wraps=wraps) for at, count in enumerate(counts))
    assert found == rates


def test_counters_become_rates_and_shares(driver: FakeDriver) -> None:
    clock = Clock()
    first = clock.read()
    assert (first.pcie_tx_mib_s, first.nvlink_rx_mib_s, first.throttled_ratio) == (None, None, {})
    driver.set({
        "gpu0.pcie.tx_bytes": 300 * MIB, "gpu0.nvlink.rx_kib": 4096 * 1024, "gpu0.throttled_ns.sw_thermal": 250_000_000,
    })  # fmt: skip
    second = clock.read()
    assert (second.pcie_tx_mib_s, second.pcie_rx_mib_s, second.nvlink_rx_mib_s) == (300.0, 0.0, 4096.0)
    assert second.throttled_ratio == {"sw_thermal": 0.25}
    assert clock.read().throttled_ratio == {}


def test_the_newer_nvlink_counters_are_read_where_the_older_are_not(driver: FakeDriver) -> None:
    driver.drop("gpu0.nvlink.tx_kib", "gpu0.nvlink.rx_kib")
    driver.set({"gpu0.field.202": "u64 0", "gpu0.field.204": "u64 0"})
    clock = Clock()
    clock.read()
    driver.set({"gpu0.field.202": f"u64 {64 * MIB}"})
    reading = clock.read()
    assert (reading.nvlink_tx_mib_s, reading.nvlink_rx_mib_s) == (64.0, 0.0)


def test_activity_is_between_two_samples(driver: FakeDriver) -> None:
    driver.set({f"gpu0.gpm.{number}": value for number, value in ((2, 62.5), (3, 30), (5, 41), (10, 55), (174, 1.5))})
    clock = Clock()
    assert clock.read().sm_active_ratio is None
    told = clock.read()
    ratios = (told.sm_active_ratio, told.sm_occupancy_ratio, told.tensor_ratio, told.dram_ratio, told.switching_ratio)
    assert ratios == (0.625, 0.3, 0.41, 0.55, 0.015)
    driver.set({"gpu0.fault.nvmlGpmMetricsGet": 999})
    assert clock.read().sm_active_ratio is None
    driver.drop("gpu0.fault.nvmlGpmMetricsGet")
    clock.read()
    assert clock.read().sm_active_ratio == 0.625


def test_a_gpu_before_hopper_says_why_it_has_none(driver: FakeDriver) -> None:
    driver.set({"gpu0.architecture": 7})
    clock = Clock()
    clock.read()
    told = clock.read()
    assert told.sm_active_ratio is None
    assert told.absent["sm_active_ratio"] == "this GPU does not report it"


def test_samples_go_back_to_the_driver(nvml: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[object] = []
    monkeypatch.setattr(gpm, "_free_sample", freed.append)
    activity = gpm.Activity(nvml.nvmlDeviceGetHandleByIndex(0))
    activity.read()
    activity.close()
    assert len(freed) == 2


def test_errors_and_what_the_driver_asks_for(driver: FakeDriver) -> None:
    driver.set({
        "gpu0.ecc.volatile.uncorrected": 2, "gpu0.remap.corrected": 1, "gpu0.remap.uncorrected": 3,
        "gpu0.remap.pending": 1, "gpu0.recovery_action": 4,
    })  # fmt: skip
    told = Clock().read()
    assert told.errors == GpuErrors(
        ecc_corrected=0, ecc_uncorrected=2, ecc_corrected_ever=0, ecc_uncorrected_ever=0, rows_remapped=4,
        remap_pending=True, remap_failed=False, pcie_replays=0,
    )  # fmt: skip
    assert told.recovery is Recovery.DRAIN_AND_RESET


def test_a_board_without_ecc_has_no_errors_to_tell(driver: FakeDriver) -> None:
    keys = [
        key for key in driver.state if key.startswith(("gpu0.ecc.", "gpu0.remap.", "gpu0.recovery", "gpu0.pcie.rep"))
    ]
    driver.drop(*keys)
    told = Clock().read()
    assert (told.errors, told.recovery) == (None, None)
    assert {"errors", "recovery"} <= told.absent.keys()


def test_slow_figures_stand_until_they_are_asked_again(driver: FakeDriver) -> None:
    clock = Clock()
    clock.read()
    driver.set({"gpu0.recovery_action": 1})
    told = [clock.read().recovery for _ in range(10)]
    assert told == [Recovery.NONE] * 9 + [Recovery.GPU_RESET]


def test_who_is_busy(driver: FakeDriver) -> None:
    driver.hold(0, os.getpid(), 100, busy=60)
    driver.hold(0, os.getppid(), 100, busy=0)
    driver.drop(f"gpu0.activity.{os.getppid()}")
    busy = {held.pid: held.busy_ratio for held in Clock().read().processes}
    assert busy == {os.getpid(): 0.6, os.getppid(): 0.0}


def test_a_driver_that_does_not_tell_who_is_busy(driver: FakeDriver) -> None:
    driver.hold(0, os.getpid(), 100, busy=60)
    driver.set({"gpu0.fault.nvmlDeviceGetProcessUtilization": 3})
    told = Clock().read()
    assert [held.busy_ratio for held in told.processes] == [None]
    assert told.absent["process_busy_ratio"] == "this GPU does not report it"


MIG = """
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
pynvml.nvmlDeviceSetMigMode(gpu, 1)
for profile in 9, 14:
    pynvml.nvmlGpuInstanceCreateComputeInstance(pynvml.nvmlDeviceCreateGpuInstance(gpu, profile), 0)
"""


def test_mig_devices_with_their_own_memory_tenants_and_activity(driver: FakeDriver) -> None:
    driver.python(MIG)
    driver.set({
        "gpu0.gi2.memory.used": 3000 * MIB, f"gpu0.gi2.compute.{os.getpid()}": 2900 * MIB, "gpu0.gi2.gpm.2": 80,
    })  # fmt: skip
    clock = Clock()
    clock.read()
    clock.read()
    told = clock.read()
    assert told.mig == MigState(current=True, pending=True, resetless=True)
    three, two = told.mig_devices
    assert (three.profile, three.start, three.size, three.gi_id, three.ci_id) == ("3g.40gb", 0, 4, 1, 0)
    assert (two.profile, two.start, two.size, two.gi_id, two.multiprocessors) == ("2g.20gb", 4, 2, 2, 32)
    assert (two.memory_total_mib, two.memory_used_mib, two.sm_active_ratio) == (20096, 3000, 0.8)
    assert three.sm_active_ratio is None
    assert [(held.pid, held.memory_mib, held.mig) for held in told.processes] == [(os.getpid(), 2900, two.uuid)]


def test_a_mig_device_that_is_gone_is_gone_and_a_new_one_comes(driver: FakeDriver) -> None:
    driver.python(MIG)
    clock = Clock()
    three, two = clock.read().mig_devices
    driver.python("""
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
old = pynvml.nvmlDeviceGetGpuInstanceById(gpu, 2)
pynvml.nvmlComputeInstanceDestroy(pynvml.nvmlGpuInstanceGetComputeInstanceById(old, 0))
pynvml.nvmlGpuInstanceDestroy(old)
""")
    clock.read()
    assert [device.uuid for device in clock.read().mig_devices] == [three.uuid]
    driver.python("""
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
pynvml.nvmlGpuInstanceCreateComputeInstance(pynvml.nvmlDeviceCreateGpuInstance(gpu, 14), 0)
""")
    found = [clock.read().mig_devices for _ in range(12)][-1]
    assert [device.profile for device in found] == ["3g.40gb", "2g.20gb"]
    assert two.uuid not in {device.uuid for device in found}


def test_placement_may_want_root(driver: FakeDriver) -> None:
    driver.python(MIG)
    driver.set({"fault.nvmlDeviceGetGpuInstanceById": 4})
    told = Clock().read()
    assert [(device.profile, device.start) for device in told.mig_devices] == [("3g.40gb", None), ("2g.20gb", None)]


def test_what_a_gpu_is_and_its_neighbours(driver: FakeDriver) -> None:
    driver.add(4)
    gpus = Nvidia()
    cards = gpus.read().cards
    assert cards is not None
    card = cards[3]
    assert (card.architecture, card.compute_capability, card.bus) == ("Hopper", "9.0", "0000:1e:00.0")
    assert (card.pcie_generation, card.pcie_width, card.nvlinks, card.persistence) == (5, 16, 18, True)
    assert (card.driver, card.compute_mode) == ("580.95.05", "default")
    uuids = [other.uuid for other in cards]
    assert card.peers == tuple(
        GpuPeer(uuids[other], nearness)
        for other, nearness in ((0, Nearness.NODE), (1, Nearness.NODE), (2, Nearness.NODE), (4, Nearness.SYS))
    )
    assert gpus.read().cards is None
    driver.set({"gpu3.persistence": 0})
    told = [one for one in (gpus.read().cards for _ in range(60)) if one is not None]
    assert [one[3].persistence for one in told] == [False]
