"""What the doctor makes of drivers and GPUs, on a driver in C that answers as tests say and a fake /proc and /sys."""

import pynvml
import pytest

from agents.doctor import gpus
from agents.doctor.subject import Subject
from agents.gpus import facts
from agents.gpus.facts import DriverFacts
from profiles.observed.finding import Finding, Severity
from tests.agents.doctor.conftest import Write
from tests.fakes.nvml.driver import FakeDriver

pytestmark = pytest.mark.usefixtures("nvml")
BUS = "sys/bus/pci/devices/0000:1b:00.0"
MODULE = "NVRM version: NVIDIA UNIX {}Kernel Module{}  {}  Release Build\nGCC version: 12\n"


def found(subject: Subject, code: str) -> list[Finding]:
    return [one for one in gpus.look(subject) if one.code == code]


def on_the_bus(write: Write) -> None:
    for name, text in {"vendor": "0x10de", "class": "0x030200", "numa_node": "1",
                       "current_link_width": "16", "max_link_width": "16"}.items():  # fmt: skip
        write(f"{BUS}/{name}", f"{text}\n")


def test_a_machine_that_is_well(subject: Subject, driver: FakeDriver, write: Write) -> None:
    on_the_bus(write)
    write("proc/driver/nvidia/version", MODULE.format("x86_64 ", "", "580.95.05"))
    findings = list(gpus.look(subject))
    assert {one.severity for one in findings} <= {Severity.OK, Severity.INFO}
    assert found(subject, "driver")[0].seen == "driver 580.95.05, CUDA 13.0, 1 GPUs"


@pytest.mark.parametrize(("before", "behind"), [("x86_64 ", ""), ("Open ", " for x86_64")])
def test_a_module_of_another_version_than_the_library(
    subject: Subject, driver: FakeDriver, write: Write, before: str, behind: str
) -> None:
    write("proc/driver/nvidia/version", MODULE.format(before, behind, "575.57.08"))
    (one,) = found(subject, "driver_mismatch")
    assert one.severity is Severity.PROBLEM
    assert "575.57.08" in one.seen
    assert "580.95.05" in one.seen


def test_what_setup_of_a_gpu_is_named(subject: Subject, driver: FakeDriver, write: Write) -> None:
    on_the_bus(write)
    write(f"{BUS}/current_link_width", "4\n")
    for node in (0, 1):
        write(f"sys/devices/system/node/node{node}/cpulist", "0\n")
    driver.set({"gpu0.persistence": 0, "gpu0.compute_mode": 2, "gpu0.mig.current": 1})
    assert found(subject, "persistence_mode")[0].severity is Severity.WARNING
    assert found(subject, "compute_mode")[0].severity is Severity.PROBLEM
    assert "MIG is on" in found(subject, "mig_mode")[0].seen
    assert "×4 of ×16" in found(subject, "pcie_width")[0].seen
    assert "node 1 of 2" in found(subject, "gpu_numa")[0].seen


def test_an_mps_daemon_and_what_one_left(subject: Subject, driver: FakeDriver, write: Write) -> None:
    assert found(subject, "mps_daemon")[0].seen == "no MPS daemon runs"
    write("tmp/nvidia-mps/control", "")
    assert found(subject, "mps_daemon")[0].severity is Severity.WARNING
    write("proc/4711/comm", "nvidia-cuda-mps\n")
    assert "4711" in found(subject, "mps_daemon")[0].seen


def test_a_gpu_that_cannot_be_opened(subject: Subject, driver: FakeDriver) -> None:
    driver.add()
    driver.set({"gpu1.fault.nvmlDeviceGetHandleByIndex_v2": 15})
    (one,) = found(subject, "gpu_closed")
    assert (one.severity, one.seen.startswith("GPU 1")) == (Severity.PROBLEM, True)


@pytest.mark.parametrize("code", [9, 18, 999])
def test_a_driver_that_refuses(subject: Subject, driver: FakeDriver, write: Write, code: int) -> None:
    on_the_bus(write)
    driver.set({"fault.nvmlInit": code})
    (one,) = gpus.judge_driver(gpus_read(), "", 1)
    assert one.severity is Severity.PROBLEM
    assert one.code == ("driver_mismatch" if code == 18 else "driver")
    assert one.fix


def gpus_read() -> DriverFacts:
    pynvml.nvmlShutdown()  # the fixture's
    return facts.read()


def test_the_second_witness_of_xids(subject: Subject, driver: FakeDriver, write: Write) -> None:
    on_the_bus(write)
    (closed,) = found(subject, "xid_log")
    assert (closed.severity, "cannot be read" in closed.seen, bool(closed.fix)) == (Severity.INFO, True, True)
    write("dev/kmsg", "")
    (open_,) = found(subject, "xid_log")
    assert open_.severity is Severity.OK
