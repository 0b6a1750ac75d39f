"""The busy machine that benchmarks run monitors on."""

import os

import pytest

from tests.fakes.nvml.machine import machine


@pytest.mark.usefixtures("nvml_library")
def test_its_processes_are_real_while_it_stands() -> None:
    with machine(gpus=2, processes_each=2) as driver:
        code = """
for gpu in map(pynvml.nvmlDeviceGetHandleByIndex, range(2)):
    print(*(process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu)))
"""
        pids = [int(word) for word in driver.python(code).split()]
        assert len(set(pids)) == 4
        for pid in pids:
            os.kill(pid, 0)
    assert not driver.directory.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
