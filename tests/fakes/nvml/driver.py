"""The state of the fake driver: lines `key=value` in `$FAKE_NVML/state`, which tests change while clients run.

A key that is missing is something that this GPU does not support. Numbers may be decimal or 0x….

    driver nvml cuda gpus                       versions, and how many GPUs there are
    gpuN.name uuid serial pci minor …           identity; N is NVML's index, so uuids swapped are GPUs renumbered
    gpuN.busy memory_busy encoder_busy …        per cent
    gpuN.memory.total reserved used             bytes; free is the rest
    gpuN.power_mw power.limit_mw enforced_mw    and power.default_mw min_mw max_mw
    gpuN.temperature_c.0 threshold_c.K          sensor 0 is the GPU, `memory` the memory (a field alone)
    gpuN.clock_mhz.K max_clock_mhz.K            0 graphics, 1 SM, 2 memory, 3 video
    gpuN.energy_mj reasons fan performance_state ecc.{volatile,aggregate}.{corrected,uncorrected}
    gpuN.remap.{corrected,uncorrected,pending,failed} pcie.… nvlink.count nvlink.K.up nvlink.tx_kib
    gpuN.throttled_ns.REASON                    counters by agents.gpus.fields' words: sw_power_cap, sw_thermal, …
    gpuN.gpm.METRIC                             per cent, by nvml.h's number; not before Hopper (architecture 9)
    gpuN.near.M                                 what lies between GPUs N and M: 0 10 20 30 40 50
    gpuN.field.ID[.SCOPE]=u32 7                 any other field, with its type: u32 u64 i32 f64
    gpuN.{compute,graphics,mps}.PID=BYTES       a process; `n/a` when its memory is not told
    gpuN.activity.PID=SM MEM ENC DEC            per cent
    gpuN.mig.current mig.resetless profile.NUMBER=…           see mig.c; instances are made through NVML itself
    gpuN.giM.memory.used compute.PID gpm.METRIC the same for GPU instance M
    gpuN.giM.held=1                             it is in use, by nobody that is listed
    gpuN.refuse.ID=23                           no instance of the profile with this id is made
    gpuN.mig.alone=1                            a change of mode wants that no other process has NVML open (Ampere)
    event.N=GPU TYPE DATA                       N rises; type 8 is an XID

    fault.CALL=15                               a code instead of an answer, or `delay 500` ms, or `hang`:
    gpuN.fault=15  gpuN.fault.CALL=hang         for all GPUs, for all calls of one, for one call of one
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MIB = 1024 * 1024
XID = 0x8
SAME_SOCKET, OTHER_SOCKET = 40, 50
"""Topology levels of nvml.h, as on a machine with four GPUs to a socket."""

State = dict[str, object]


class FakeDriver:
    """One machine's driver: a state, and the environment in which a client meets it."""

    def __init__(self, directory: Path, library: Path, gpus: int = 1) -> None:
        self.directory = directory
        self._library = library
        self._events = 0
        self.state: State = {"driver": "580.95.05", "nvml": "13.580.95.05", "cuda": 13000, "gpus": 0}
        self.add(gpus)

    def env(self) -> dict[str, str]:
        """For a client: this process's environment, with the fake driver in it."""
        return {**os.environ, "LD_LIBRARY_PATH": str(self._library.parent), "FAKE_NVML": str(self.directory)}

    def add(self, gpus: int = 1) -> None:
        """More H100s, after those that are there."""
        count = int(str(self.state["gpus"]))
        for index in range(count, count + gpus):
            self.state |= h100(index)
        self.state |= {
            f"gpu{one}.near.{other}": SAME_SOCKET if one // 4 == other // 4 else OTHER_SOCKET
            for one in range(count + gpus)
            for other in range(one)
        }
        self.set({"gpus": count + gpus})

    def set(self, changes: State) -> None:
        """In one step: a client sees all of the changes or none."""
        self.state |= changes
        self._write()

    def drop(self, *keys: str) -> None:
        for key in keys:
            del self.state[key]
        self._write()

    def hold(self, gpu: int, pid: int, memory_mib: int, busy: int = 0) -> None:
        """The process `pid` holds memory on a GPU and keeps it busy; the GPU's own sums are yours to set."""
        self.set({f"gpu{gpu}.compute.{pid}": memory_mib * MIB, f"gpu{gpu}.activity.{pid}": f"{busy} 0 0 0"})

    def post(self, gpu: int, data: int, kind: int = XID) -> None:
        self._events += 1
        self.set({f"event.{self._events}": f"{gpu} {kind} {data}"})

    def python(self, code: str, *arguments: str, **limits: float) -> str:
        """What `code` prints with pynvml initialised; the process is new and meets this driver."""
        words = [sys.executable, "-c", f"import pynvml; pynvml.nvmlInit()\n{code}", *arguments]
        return self.run(words, **limits).stdout

    def run(self, argv: Sequence[str], timeout: float = 30) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(argv, env=self.env(), capture_output=True, text=True, timeout=timeout, check=True)

    def _write(self) -> None:
        new = self.directory / "state.new"
        new.write_text("".join(f"{key}={value}\n" for key, value in self.state.items()))
        new.rename(self.directory / "state")


H100_PROFILES = {
    0: "19 1 7 16 9856 0:1,1:1,2:1,3:1,4:1,5:1,6:1 MIG 1g.10gb",
    9: "15 1 4 26 20096 0:2,2:2,4:2,6:2 MIG 1g.20gb",
    1: "14 2 3 32 20096 0:2,2:2,4:2 MIG 2g.20gb",
    2: "9 3 2 60 40448 0:4,4:4 MIG 3g.40gb",
    3: "5 4 1 64 40448 0:4 MIG 4g.40gb",
    4: "0 7 1 132 81079 0:8 MIG 7g.80gb",
}
"""By the constant of nvml.h: ID SLICES INSTANCES SMS MIB PLACEMENTS NAME."""

H100: State = {
    "name": "NVIDIA H100 80GB HBM3",
    "pci_device": 0x233010DE,
    "pci_subsystem": 0x16C110DE,
    "brand": 14,
    "architecture": 9,
    "compute_capability": "9.0",
    "cores": 16896,
    "memory_bus_width": 5120,
    "persistence": 1,
    "compute_mode": 0,
    "display_active": 0,
    "display_mode": 0,
    "busy": 0,
    "memory_busy": 0,
    "encoder_busy": 0,
    "decoder_busy": 0,
    "memory.total": 81559 * MIB,
    "memory.reserved": 600 * MIB,
    "memory.used": 0,
    "bar1.total": 131072 * MIB,
    "bar1.used": MIB,
    "power_mw": 70_000,
    "power.limit_mw": 700_000,
    "power.enforced_mw": 700_000,
    "power.default_mw": 700_000,
    "power.min_mw": 200_000,
    "power.max_mw": 700_000,
    "energy_mj": 1_000_000,
    "temperature_c.0": 30,
    "temperature_c.memory": 38,
    "threshold_c.0": 92,
    "threshold_c.1": 89,
    "margin_c": 57,
    "reasons": 0x1,
    "reasons.supported": 0x1FF,
    "performance_state": 0,
    "ecc.mode": 1,
    "pcie.generation": 5,
    "pcie.max_generation": 5,
    "pcie.width": 16,
    "pcie.max_width": 16,
    "pcie.replays": 0,
    "pcie.tx_kb_s": 0,
    "pcie.rx_kb_s": 0,
    "pcie.tx_bytes": 0,
    "pcie.rx_bytes": 0,
    "nvlink.count": 18,
    "nvlink.version": 4,
    "nvlink.tx_kib": 0,
    "nvlink.rx_kib": 0,
    **{f"throttled_ns.{reason}": 0 for reason in ("sw_power_cap", "sync_boost", "sw_thermal", "hw_thermal")},
    "throttled_ns.hw_power_brake": 0,
    **{f"gpm.{metric}": 0 for metric in (2, 3, 5, 10, 20, 21, 60, 61, 174)},
    "recovery_action": 0,
    "events": 0x1DF,
    "mig.current": 0,
    "mig.resetless": 1,
    **{f"clock_mhz.{kind}": mhz for kind, mhz in enumerate((345, 345, 2619, 765))},
    **{f"max_clock_mhz.{kind}": mhz for kind, mhz in enumerate((1980, 1980, 2619, 1545))},
    **{f"ecc.{since}.{kind}": 0 for since in ("volatile", "aggregate") for kind in ("corrected", "uncorrected")},
    **{f"remap.{count}": 0 for count in ("corrected", "uncorrected", "pending", "failed")},
    **{f"profile.{number}": text for number, text in H100_PROFILES.items()},
}
"""80 GB, idle. Figures of the data sheet; reserved memory and the rest are made up."""


def h100(index: int) -> State:
    """The keys of one GPU."""
    own: State = {
        "uuid": f"GPU-{index:08d}-0000-4000-8000-000000000000",
        "serial": f"16500000000{index:02d}",
        "pci": f"00000000:{0x1B + index:02X}:00.0",
        "minor": index,
    }
    return {f"gpu{index}.{key}": value for key, value in (H100 | own).items()}
