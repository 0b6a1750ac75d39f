"""The fake driver that does as simulated GPUs do, for demos that are read through NVML."""

import os
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from agents.gpus import child
from agents.gpus.nvidia import Nvidia
from engines.simulated_device import CLAIMS_DIRECTORY, Claim, SimulatedGpu, claim_file, encode_claim, encode_devices
from profiles.observed.status import GpuSourceKind, GpuState
from tests.fakes.nvml.follow import Follower

GPUS = [SimulatedGpu(uuid=f"GPU-{i}", index=i, name="NVIDIA H100 80GB HBM3", memory_total_mib=81559) for i in range(2)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "gpus"
    (directory / CLAIMS_DIRECTORY).mkdir(parents=True)
    (directory / "devices.json").write_bytes(encode_devices(GPUS))
    return directory


@pytest.fixture
def follower(directory: Path, tmp_path: Path, nvml_library: Path) -> Follower:
    """In the place where the fixture `nvml` looks for the state."""
    return Follower(directory, tmp_path, nvml_library)


def test_what_a_simulated_gpu_does_is_read_through_nvml(nvml: ModuleType, follower: Follower, directory: Path) -> None:
    source = child.open_source(["--simulated", str(directory)])
    assert isinstance(source, Nvidia)
    claim = Claim(pid=os.getpid(), name="e", gpus={"GPU-0": 5000}, demand_ratio=0.5)
    (directory / claim_file(claim.pid)).write_bytes(encode_claim(claim))
    follower.step(1.0)
    frame = source.read()
    assert (frame.source.kind, frame.source.note[:9]) == (GpuSourceKind.SIMULATED, "SIMULATED")
    busy, idle = frame.gpus
    assert (busy.uuid, busy.memory_used_mib, idle.memory_used_mib) == ("GPU-0", 5000, 0)
    assert busy.busy_ratio == pytest.approx(0.5, abs=0.05)
    assert [(held.pid, held.memory_mib, held.busy_ratio) for held in busy.processes] == [(os.getpid(), 5000, 0.5)]
    (directory / claim_file(claim.pid)).unlink()
    follower.step(1.0)
    source.read()
    assert source.read().gpus[0].processes == ()


def test_its_faults_come_through_nvml_too(nvml: ModuleType, follower: Follower, directory: Path) -> None:
    source = Nvidia()
    source.read()
    (directory / "devices.json").write_bytes(
        encode_devices([replace(GPUS[0], xids=(31,)), replace(GPUS[1], lost=True)])
    )
    follower.step(1.0)
    frame = source.read()
    assert [gpu.state for gpu in frame.gpus] == [GpuState.OK, GpuState.LOST]
    follower.step(1.0)
    (directory / "devices.json").write_bytes(encode_devices([replace(GPUS[0], xids=(31, 43)), GPUS[1]]))
    follower.step(1.0)
    told = [xid.number for _ in range(2) for xid in source.read().xids]
    assert told[-1:] == [43]
    assert source.read().gpus[1].state is GpuState.OK
