"""A whole busy machine for any program: the fake driver with GPUs, and real processes that hold their memory.

with machine(gpus=8, processes_each=2) as driver:
    subprocess.run(["nvitop", "-1"], env=driver.env())
    driver.set({"gpu3.fault": 15})
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.nvml.build import build
from tests.fakes.nvml.driver import MIB, FakeDriver

HELD_MIB = 8192


@contextmanager
def machine(gpus: int = 8, processes_each: int = 2) -> Iterator[FakeDriver]:
    """Raises FileNotFoundError where it cannot be compiled. Its processes and files go at the end."""
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="gpuyard-nvml-") as name:
        driver = FakeDriver(Path(name), build(Path(name)), gpus)
        try:
            for gpu in range(gpus):
                for _ in range(processes_each):
                    running.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
                    driver.hold(gpu, running[-1].pid, HELD_MIB, busy=90 // processes_each)
                driver.set({
                    f"gpu{gpu}.busy": 60 + 4 * gpu, f"gpu{gpu}.memory.used": (HELD_MIB * processes_each + 400) * MIB,
                    f"gpu{gpu}.power_mw": 420_000 + 9_000 * gpu, f"gpu{gpu}.temperature_c.0": 55 + gpu,
                })  # fmt: skip
            yield driver
        finally:
            for process in running:
                process.kill()
                process.communicate()
