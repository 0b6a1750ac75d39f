"""Other monitors, unmodified, on the fake driver: they read it, and they show what gpuyard shows."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.nvml.build import exports
from tests.fakes.nvml.driver import MIB, FakeDriver
from tests.peers import seen

pytestmark = pytest.mark.peers


@pytest.fixture
def machine(driver: FakeDriver, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two GPUs, the second one idle; two real processes on the first. Settings of the monitors stay in tmp_path."""
    driver.add()
    driver.set({"gpu0.busy": 37, "gpu0.memory.used": 5000 * MIB, "gpu0.power_mw": 350_000, "gpu0.temperature_c.0": 61})
    running = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
    for process, memory_mib, busy in zip(running, (4000, 900), (30, 7), strict=True):
        driver.hold(0, process.pid, memory_mib, busy)
    yield {**driver.env(), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    for process in running:
        process.kill()
        process.communicate()


def test_gpustat_and_gpuyard_agree(machine: dict[str, str], peers: Path) -> None:
    assert seen.gpustat(peers / "gpustat", machine) == seen.ours(machine)


def test_nvitop_and_gpuyard_agree(machine: dict[str, str], peers: Path) -> None:
    assert seen.nvitop(peers / "nvitop", machine) == seen.ours(machine)


def test_nvitop_and_gpuyard_agree_on_who_is_busy(machine: dict[str, str], peers: Path) -> None:
    shown = seen.nvitop_text(peers / "nvitop", machine)
    theirs = {int(pid): int(busy) for pid, busy in re.findall(r"│ +0 +(\d+) C +\S+ +\S+ +(\d+) ", shown)}
    assert theirs == {
        held.pid: round((held.busy_ratio or 0) * 100) for held in seen.first_frame(machine).gpus[0].processes
    }
    assert sorted(theirs.values()) == [7, 30]


def test_nvtop_and_gpuyard_agree(machine: dict[str, str], nvtop: Path) -> None:
    ours, theirs = seen.ours(machine), seen.nvtop(nvtop, machine, processes=2)
    for gpu in ours:
        gpu.memory = pytest.approx(gpu.memory + 600, abs=1)  # type: ignore[assignment]  # nvtop counts what the driver reserves
    assert theirs == ours


def test_a_lost_gpu_leaves_the_others_right(driver: FakeDriver, machine: dict[str, str], peers: Path) -> None:
    driver.set({"gpu1.fault": 15})
    assert seen.ours(machine)[:1] == seen.nvitop(peers / "nvitop", machine)[:1]


def test_nvitop_and_gpuyard_agree_on_mig_devices(driver: FakeDriver, machine: dict[str, str], peers: Path) -> None:
    driver.python("""
gpu = pynvml.nvmlDeviceGetHandleByIndex(1)
pynvml.nvmlDeviceSetMigMode(gpu, 1)
for profile in 9, 14:
    pynvml.nvmlGpuInstanceCreateComputeInstance(pynvml.nvmlDeviceCreateGpuInstance(gpu, profile), 0)
""")
    driver.set({"gpu1.gi2.memory.used": 3000 * MIB})
    shown = seen.nvitop_text(peers / "nvitop", machine)
    instances = re.findall(r"(1:\d) +(\S+) @ GI/CI: (\d)/0 │ +([\d.]+\w+) / ([\d.]+\w+) ", shown)
    assert instances == [("1:0", "3g.40gb", "1", "0B", "39.50GiB"), ("1:1", "2g.20gb", "2", "3000MiB", "20096MiB")]
    ours = seen.first_frame(machine).gpus[1].mig_devices
    assert [
        (device.profile, str(device.gi_id), device.memory_used_mib, device.memory_total_mib) for device in ours
    ] == [
        (profile, gi_id, round(seen.mib(used)), round(seen.mib(total))) for _, profile, gi_id, used, total in instances
    ]


def lacking(library: Path, run: Callable[[dict[str, str]], object], env: dict[str, str], log: Path) -> set[str]:
    """Symbols that a program looks up, as the dynamic linker tells them, and that the fake driver has not."""
    run({**env, "LD_DEBUG": "symbols", "LD_DEBUG_OUTPUT": str(log)})
    lines = "".join(file.read_text(errors="replace") for file in log.parent.glob(f"{log.name}.*"))
    names = set(re.findall(r"symbol=(nvml\w+);", lines))
    assert len(names) > 12
    return names - exports(library)


def test_what_the_fake_lacks_is_known_and_harmless(
    machine: dict[str, str], peers: Path, nvtop: Path, nvml_library: Path, tmp_path: Path
) -> None:
    unread = lacking(nvml_library, lambda env: seen.nvitop(peers / "nvitop", env), machine, tmp_path / "nvitop")
    assert unread == {"nvmlDeviceGetConfComputeMemSizeInfo"}
    assert (
        lacking(nvml_library, lambda env: seen.gpustat(peers / "gpustat", env), machine, tmp_path / "gpustat") == set()
    )
    assert lacking(nvml_library, lambda env: seen.nvtop(nvtop, env, 2), machine, tmp_path / "nvtop") == set()
