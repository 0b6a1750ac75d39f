"""What reading real GPUs costs: each call, a whole tick, the reader. Printed for docs/benchmarks.md, nothing changed.

.venv/bin/pytest -m gpu tests/real_gpus
"""

import json
import os
import subprocess
import sys
import time

import pytest

from agents.gpus.source import Frame
from benchmarks.gpu_tick import PERIOD_S, cpu_ms, unseen

pytestmark = pytest.mark.gpu

WARM_S, MEASURED_S = 5, 20

CALLS = """
import json, statistics, sys, time
from functools import partial
from agents.gpus import fields, gpm, memory, mig_devices, nvml, seconds, tenants
from agents.gpus.processes import Processes

nvml.init()
gpu = nvml.by_index(int(sys.argv[1]))
often, slow = fields.Fields(gpu, fields.EACH_SECOND), fields.Fields(gpu, fields.NOW_AND_THEN)
activity, held = gpm.Activity(gpu), tenants.Tenants(gpu, Processes())
calls = {
    "memory": partial(memory.read, gpu),
    "utilization": partial(seconds._utilization, gpu),
    "fields of each second": lambda: often.read(1.0),
    "fields of each ten": lambda: slow.read(1.0),
    "GPM pair": activity.read,
    "throttle reasons": partial(seconds._reasons, gpu),
    "SM clock": partial(seconds._clock_mhz, gpu, 1),
    "temperature": partial(seconds._temperature_c, gpu, 0),
    "margin": partial(seconds._margin_c, gpu),
    "processes": held.read,
    "MIG mode": partial(mig_devices.mode, gpu, None),
}
told = {}
for name, call in calls.items():
    times = []
    for _ in range(50):
        began = time.perf_counter()
        try:
            call()
        except nvml.NvmlError as error:
            told[name] = nvml.absence(error.value)
            break
        times.append((time.perf_counter() - began) * 1e6)
        time.sleep(0.11 if name == "GPM pair" else 0.01)
    else:
        told[name] = [statistics.median(times), max(times)]
print(json.dumps(told))
"""

TICKS = """
import json, statistics, time
from agents.gpus.nvidia import Nvidia

gpus = Nvidia()
walls, cpus = [], []
for _ in range(22):
    began, spent = time.perf_counter(), time.process_time()
    gpus.read()
    walls.append((time.perf_counter() - began) * 1e3)
    cpus.append((time.process_time() - spent) * 1e3)
    time.sleep(max(0.0, 0.5 - walls[-1] / 1e3))
print(json.dumps([statistics.mean(walls[2:]), max(walls[2:]), statistics.mean(cpus[2:])]))
"""


def python(code: str, *arguments: str) -> str:
    words = [sys.executable, "-c", code, *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture
def say(machine: Frame, capsys: pytest.CaptureFixture[str]) -> "Say":
    return Say(machine, capsys)


class Say:
    """Prints past pytest, under the name of the GPUs."""

    def __init__(self, machine: Frame, capsys: pytest.CaptureFixture[str]) -> None:
        names = sorted({gpu.name for gpu in machine.gpus})
        self._name = f"{len(machine.gpus)} × {', '.join(names)}, driver {(machine.cards or ())[0].driver}"
        self._capsys = capsys

    def __call__(self, text: str) -> None:
        with self._capsys.disabled():
            print(f"\n{self._name}: {text}", end="")


def test_what_each_call_takes(machine: Frame, say: Say) -> None:
    told = json.loads(python(CALLS, str(machine.gpus[0].index)))
    for name, times in told.items():
        say(f"{name:22} " + (times if isinstance(times, str) else f"{times[0]:8.0f} µs, at most {times[1]:.0f}"))
    assert isinstance(told["memory"], list)


def test_what_a_tick_takes(machine: Frame, say: Say) -> None:
    wall_ms, most_ms, cpu = json.loads(python(TICKS))
    processes = sum(len(gpu.processes) for gpu in machine.gpus)
    assert 0 < wall_ms <= most_ms
    say(f"one tick, {processes} processes: {cpu:.1f} ms of CPU, {wall_ms:.1f} ms, at most {most_ms:.1f}")


def test_what_the_reader_costs(say: Say) -> None:
    with unseen([sys.executable, "-m", "agents.gpus"], os.environ) as pid:
        time.sleep(WARM_S)
        before = cpu_ms(pid)
        time.sleep(MEASURED_S)
        spent = cpu_ms(pid) - before
    assert spent > 0, "the reader read nothing"
    a_tick_ms, share = spent / MEASURED_S * PERIOD_S, spent / MEASURED_S / 1000
    say(f"the reader: {a_tick_ms:.1f} ms of CPU a tick, {share:.2%} of a core\n")
