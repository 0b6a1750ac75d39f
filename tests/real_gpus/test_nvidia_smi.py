"""On a machine with NVIDIA GPUs: gpuyard reads what nvidia-smi reads. Nothing is changed there.

.venv/bin/pytest -m gpu tests/real_gpus
"""

import csv
import os
import re
import shutil
import subprocess

import pytest

from agents.gpus.source import Frame
from profiles.observed.status import GpuReading, GpuSourceKind
from tests.peers.seen import first_frame

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="no NVIDIA GPU: nvidia-smi is not on PATH"),
]

FIELDS = (
    "uuid", "index", "name", "memory.total", "memory.reserved", "memory.used", "utilization.gpu", "power.draw",
    "enforced.power.limit", "temperature.gpu", "temperature.memory", "clocks.sm", "clocks.mem",
    "ecc.errors.uncorrected.volatile.total", "ecc.errors.corrected.aggregate.total",
)  # fmt: skip

# By how much a busy GPU may move between three looks within a few seconds.
SLACK = {
    "memory.used": 512.0,
    "utilization.gpu": 100.0,
    "power.draw": 100.0,
    "temperature.gpu": 5.0,
    "temperature.memory": 5.0,
    "clocks.sm": 2000.0,
    "clocks.mem": 2000.0,
}


def smi(query: str, *fields: str) -> list[dict[str, str]]:
    command = ["nvidia-smi", f"--query-{query}={','.join(fields)}", "--format=csv,noheader,nounits"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    rows = csv.reader(told.splitlines(), skipinitialspace=True)
    return [dict(zip(fields, row, strict=True)) for row in rows]


def figure(gpu: GpuReading, field: str) -> float | None:
    """Ours, in nvidia-smi's unit."""
    return {
        "memory.total": gpu.memory_total_mib,
        "memory.reserved": gpu.memory_reserved_mib,
        "memory.used": gpu.memory_used_mib,
        "utilization.gpu": None if gpu.busy_ratio is None else gpu.busy_ratio * 100,
        "power.draw": gpu.power_w,
        "enforced.power.limit": gpu.power_limit_w,
        "temperature.gpu": gpu.temperature_c,
        "temperature.memory": gpu.memory_temperature_c,
        "clocks.sm": gpu.sm_clock_mhz,
        "clocks.mem": gpu.memory_clock_mhz,
        "ecc.errors.uncorrected.volatile.total": gpu.errors.ecc_uncorrected if gpu.errors else None,
        "ecc.errors.corrected.aggregate.total": gpu.errors.ecc_corrected_ever if gpu.errors else None,
    }[field]


def number(text: str) -> float | None:
    """None for `[N/A]`, `[Not Supported]` and the like."""
    return None if text.startswith("[") else float(text)


def test_every_gpu_has_the_figures_of_nvidia_smi() -> None:
    before, frame, after = smi("gpu", *FIELDS), first_frame(os.environ), smi("gpu", *FIELDS)
    assert frame.source.kind is GpuSourceKind.NVML
    assert [(gpu.uuid, str(gpu.index), gpu.name) for gpu in frame.gpus] == [
        (row["uuid"], row["index"], row["name"]) for row in before
    ]
    for gpu, first, last in zip(frame.gpus, before, after, strict=True):
        for field in FIELDS[3:]:
            figures, mine = [number(first[field]), number(last[field])], figure(gpu, field)
            if mine is None or None in figures:
                assert figures == [None, None], f"{field} is absent here: {gpu.absent}"
                continue
            slack = SLACK.get(field, 1.0)
            low, high = sorted(told for told in figures if told is not None)
            assert low - slack <= mine <= high + slack, field


def test_every_gpu_is_what_and_where_nvidia_smi_says(machine: Frame) -> None:
    fields = ("uuid", "pci.bus_id", "driver_version", "persistence_mode", "compute_cap", "mig.mode.current")
    rows = {row["uuid"]: row for row in smi("gpu", *fields)}
    for gpu, card in zip(machine.gpus, machine.cards or (), strict=True):
        row = rows[card.uuid]
        assert row["pci.bus_id"].lower().endswith(card.bus)
        assert (row["driver_version"], row["compute_cap"]) == (card.driver, card.compute_capability)
        assert (row["persistence_mode"] == "Enabled") == card.persistence
        assert (row["mig.mode.current"] == "Enabled") == (gpu.mig is not None and gpu.mig.current)


def test_mig_devices_are_those_that_nvidia_smi_lists(machine: Frame) -> None:
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True).stdout
    theirs = re.findall(r"MIG \S+ .*?\(UUID: (MIG-[^)]+)\)", listed)
    ours = [device.uuid for gpu in machine.gpus for device in gpu.mig_devices]
    assert sorted(ours) == sorted(theirs)


def test_processes_that_stay_are_listed_with_their_memory() -> None:
    fields = ("gpu_uuid", "pid", "used_memory")
    before, frame, after = smi("compute-apps", *fields), first_frame(os.environ), smi("compute-apps", *fields)
    found = {(gpu.uuid, held.pid): held.memory_mib for gpu in frame.gpus for held in gpu.processes}
    for row in before:
        if row in after:
            assert found[row["gpu_uuid"], int(row["pid"])] == number(row["used_memory"])
