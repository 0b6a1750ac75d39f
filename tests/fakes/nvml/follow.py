"""`python -m tests.fakes.nvml.follow LIBRARY_DIR (SIMULATED FAKE)…`: fake drivers that do as simulated GPUs do.

    devices.json, claims/ ──► agents.gpus.simulated ──► $FAKE_NVML/state ──► NVML ──► gpuyard, nvitop, nvidia tools

For each node its simulated directory and the directory of its fake driver. The library is built into LIBRARY_DIR,
where `ready` appears once every driver has its GPUs. Twice a second, until it is ended.
"""

import sys
import time
from pathlib import Path

from agents.gpus.simulated import Simulated
from engines.simulated_device import NVML_FILE
from profiles.observed.gpus import Recovery
from profiles.observed.status import GpuReading, GpuState
from tests.fakes.nvml.build import build
from tests.fakes.nvml.driver import MIB, FakeDriver, State

PERIOD_S = 0.5
READY = "ready"

_REASONS = {"sw_power_cap": 0x04, "sw_thermal": 0x20}
_GPM = {2: "sm_active_ratio", 3: "sm_occupancy_ratio", 5: "tensor_ratio", 10: "dram_ratio", 174: "switching_ratio"}
_GPU_IS_LOST = 15


class Follower:
    """One node: what its simulated GPUs do, for its fake driver to tell."""

    def __init__(self, simulated: Path, fake: Path, library: Path) -> None:
        fake.mkdir(parents=True, exist_ok=True)
        self._simulated = Simulated(simulated)
        gpus = self._simulated.read().gpus
        self._driver = FakeDriver(fake, library, len(gpus))
        self._still = dict(self._driver.state)
        self._counted: dict[str, float] = {}
        self.step(0.0)
        (simulated / NVML_FILE).touch()

    def step(self, elapsed_s: float) -> None:
        frame = self._simulated.read()
        self._driver.state = self._still | {key: value for key, value in self._driver.state.items() if "event." in key}
        changes: State = {}
        for gpu in frame.gpus:
            own = self._told(gpu, elapsed_s) if gpu.state is GpuState.OK else {"fault": _GPU_IS_LOST, "uuid": gpu.uuid}
            changes |= {f"gpu{gpu.index}.{key}": value for key, value in own.items()}
        self._driver.set(changes)
        index = {gpu.uuid: gpu.index for gpu in frame.gpus}
        for xid in frame.xids:
            self._driver.post(index[xid.uuid], xid.number)

    def _told(self, gpu: GpuReading, elapsed_s: float) -> State:
        """The keys of tests.fakes.nvml.driver without their GPU."""
        return {
            "uuid": gpu.uuid,
            "name": gpu.name,
            "memory.total": (gpu.memory_total_mib or 0) * MIB,
            "memory.reserved": (gpu.memory_reserved_mib or 0) * MIB,
            "memory.used": (gpu.memory_used_mib or 0) * MIB,
            "busy": round(100 * (gpu.busy_ratio or 0)),
            "power_mw": round(1000 * (gpu.power_w or 0)),
            "energy_mj": gpu.energy_mj,
            "temperature_c.0": round(gpu.temperature_c or 0),
            "temperature_c.memory": round(gpu.memory_temperature_c or 0),
            "margin_c": max(0, round(gpu.margin_c or 0)),
            "clock_mhz.1": gpu.sm_clock_mhz,
            "reasons": sum(_REASONS[reason] for reason in gpu.throttle) or (0 if gpu.processes else 1),
            "ecc.volatile.uncorrected": gpu.errors.ecc_uncorrected if gpu.errors else 0,
            "recovery_action": list(Recovery).index(gpu.recovery or Recovery.NONE),
            **{f"gpm.{number}": 100 * (getattr(gpu, name) or 0) for number, name in _GPM.items()},
            **{f"compute.{held.pid}": (held.memory_mib or 0) * MIB for held in gpu.processes},
            **{f"activity.{held.pid}": f"{round(100 * (held.busy_ratio or 0))} 0 0 0" for held in gpu.processes},
            **self._counters(gpu, elapsed_s),
        }

    def _counters(self, gpu: GpuReading, elapsed_s: float) -> State:
        rates = {
            "pcie.rx_bytes": (gpu.pcie_rx_mib_s or 0) * MIB, "pcie.tx_bytes": (gpu.pcie_tx_mib_s or 0) * MIB,
            "nvlink.rx_kib": (gpu.nvlink_rx_mib_s or 0) * 1024, "nvlink.tx_kib": (gpu.nvlink_tx_mib_s or 0) * 1024,
            **{f"throttled_ns.{reason}": ratio * 1e9 for reason, ratio in gpu.throttled_ratio.items()},
        }  # fmt: skip
        for name, per_s in rates.items():
            key = f"{gpu.uuid}.{name}"
            self._counted[key] = self._counted.get(key, 0.0) + per_s * elapsed_s
        return {name: int(self._counted[f"{gpu.uuid}.{name}"]) for name in rates}


def main(library: Path, *pairs: Path) -> None:
    library.mkdir(parents=True, exist_ok=True)
    built = build(library)
    nodes = [Follower(simulated, fake, built) for simulated, fake in zip(pairs[::2], pairs[1::2], strict=True)]
    (library / READY).touch()
    before_s = time.monotonic()
    while True:
        time.sleep(PERIOD_S)
        now_s = time.monotonic()
        for node in nodes:
            node.step(now_s - before_s)
        before_s = now_s


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
