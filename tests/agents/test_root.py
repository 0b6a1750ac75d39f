"""What an agent has done as root, by a child of its own on the fake driver."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.access.audit import chain
from agents.access.audit.log import AuditLog
from agents.access.audit.record import Kind, unseal
from agents.access.audit.rooted import recorded
from agents.errors import Refused
from agents.privilege.answers import Created, Done, Failed, Missing, Switched
from agents.privilege.calls import (
    ComputeMode,
    CreateGpuInstance,
    DestroyGpuInstance,
    Ending,
    ResetGpu,
    SetComputeMode,
    SetMigMode,
    SetPersistence,
    SetTimeslice,
    SignalProcess,
    Switch,
)
from agents.privilege.child import RootChild
from agents.privilege.ways import Host
from agents.processes import tree
from agents.root import carrying
from engines.devices import Timeslice
from tests.fakes.nvml.driver import FakeDriver

GPU = "GPU-00000000-0000-4000-8000-000000000000"
MIG_ON = SetMigMode(gpu=GPU, to=Switch.ON)
THREE = CreateGpuInstance(gpu=GPU, profile=9, start=4, size=4)

Kept = list[tuple[str, ...]]


@pytest.fixture
def kept() -> Kept:
    return []


@pytest.fixture
def root(driver: FakeDriver, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> RootChild:
    """As an agent of root has it: its child meets the fake driver, as a real one meets the driver's library."""
    for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
        monkeypatch.setenv(name, driver.env()[name])
    return RootChild(keeping(kept), Host(uid=0), limit_s=20)


def keeping(kept: Kept) -> Callable[[str, str], Callable[[str, str], None]]:
    def begin(what: str, author: str) -> Callable[[str, str], None]:
        kept.append((what, author))
        return lambda result, text: kept.append((result, text))

    return begin


async def test_mig_from_off_to_off(driver: FakeDriver, root: RootChild, kept: Kept) -> None:
    assert await root.do(THREE, "ann") == Failed(text="Not Supported", nvml=3)
    assert await root.do(MIG_ON, "ann") == Switched()
    made = await root.do(THREE, "ann")
    assert isinstance(made, Created)
    assert (made.gi_id, made.ci_id) == (1, 0)
    assert made.uuid.startswith("MIG-")
    listed = "g = pynvml.nvmlDeviceGetHandleByIndex(0); d = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(g, 0)"
    assert driver.python(f"{listed}; print(pynvml.nvmlDeviceGetUUID(d))").strip() == made.uuid
    assert await root.do(THREE, "ann") == Failed(text="Insufficient Resources", nvml=23)
    driver.set({f"gpu0.gi1.compute.{os.getpid()}": 1})
    assert await root.do(DestroyGpuInstance(gpu=GPU, gi_id=1), "ann") == Failed(
        text="In use by another client", nvml=19
    )
    driver.drop(f"gpu0.gi1.compute.{os.getpid()}")
    assert await root.do(DestroyGpuInstance(gpu=GPU, gi_id=1), "ann") == Done()
    assert kept[2:4] == [(f"mig-mode {GPU} on", "ann"), ("done", '{"type":"switched","held_up":0}')]
    assert ("unavailable", "In use by another client") in kept


async def test_half_an_instance_is_taken_back(driver: FakeDriver, root: RootChild) -> None:
    await root.do(MIG_ON, "ann")
    driver.set({"fault.nvmlGpuInstanceCreateComputeInstance": 23})
    assert await root.do(THREE, "ann") == Failed(text="Insufficient Resources", nvml=23)
    driver.drop("fault.nvmlGpuInstanceCreateComputeInstance")
    assert isinstance(await root.do(THREE, "ann"), Created)


async def test_a_mode_that_waits_for_a_reset(driver: FakeDriver, root: RootChild) -> None:
    driver.set({"gpu0.mig.activation": 16})
    assert await root.do(MIG_ON, "ann") == Switched(held_up=16)


async def test_modes(driver: FakeDriver, root: RootChild) -> None:
    assert await root.do(SetPersistence(gpu=GPU, to=Switch.OFF), "") == Done()
    assert await root.do(SetComputeMode(gpu=GPU, to=ComputeMode.EXCLUSIVE), "") == Done()
    read = "g = pynvml.nvmlDeviceGetHandleByIndex(0); print(pynvml.nvmlDeviceGetPersistenceMode(g), "
    assert driver.python(f"{read}pynvml.nvmlDeviceGetComputeMode(g))").split() == ["0", "3"]


async def test_a_gpu_that_is_not_there(root: RootChild) -> None:
    other = SetMigMode(gpu=GPU.replace("8000", "8001"), to=Switch.ON)
    assert await root.do(other, "ann") == Failed(text="Not Found", nvml=6)


async def test_a_driver_that_hangs_costs_the_call_alone(driver: FakeDriver, kept: Kept, root: RootChild) -> None:
    driver.set({"fault.nvmlDeviceSetMigMode": "hang"})
    outcome = await RootChild(keeping(kept), Host(uid=0), limit_s=0.5).do(MIG_ON, "ann")
    assert isinstance(outcome, Failed)
    assert "more than 0.5 s" in outcome.text
    assert kept[-1][0] == "unavailable"


async def test_root_in_a_container_without_the_capability(driver: FakeDriver, root: RootChild) -> None:
    driver.set({"fault.nvmlDeviceSetMigMode": 4})
    outcome = await root.do(MIG_ON, "ann")
    assert isinstance(outcome, Missing)
    assert "CAP_SYS_ADMIN" in outcome.reason.text
    assert outcome.command == f"sudo nvidia-smi -i {GPU} -mig 1"


async def test_nothing_is_done_that_cannot_be_recorded(driver: FakeDriver, root: RootChild) -> None:
    def begin(what: str, author: str) -> Callable[[str, str], None]:
        raise Refused("unavailable", "the audit cannot be written")

    with pytest.raises(Refused):
        await RootChild(begin, Host(uid=0)).do(MIG_ON, "ann")
    assert isinstance(await root.do(THREE, "ann"), Failed)  # MIG mode is off


async def test_a_process_is_signalled_if_it_holds_a_gpu(driver: FakeDriver, root: RootChild) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        one = tree.stat(process.pid)
        assert one is not None
        ends = SignalProcess(pid=process.pid, start_ticks=one.start_ticks, to=Ending.TERM)
        assert await root.do(ends, "ann") == Failed(text=f"process {process.pid} holds no GPU")
        driver.hold(0, process.pid, 100)
        earlier = SignalProcess(pid=process.pid, start_ticks=one.start_ticks - 1, to=Ending.KILL)
        assert await root.do(earlier, "ann") == Failed(text=f"there is no process {process.pid} that began then")
        assert process.poll() is None
        assert await root.do(ends, "ann") == Done()
        assert process.wait(10) == -15


def test_what_nvml_has_no_call_for_goes_through_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact words; this machine has no nvidia-smi."""
    smi, said = tmp_path / "nvidia-smi", tmp_path / "said"
    smi.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{said}\nenv >>{said}.env\n[ "$1" = compute-policy ]\n')
    smi.chmod(0o755)
    monkeypatch.setattr(carrying, "NVIDIA_SMI", smi)
    monkeypatch.setenv("SECRET", "1")
    assert carrying.carry_out(SetTimeslice(gpu=GPU, to=Timeslice.SHORT)) == Done()
    failed = carrying.carry_out(ResetGpu(gpu=GPU))
    assert isinstance(failed, Failed)
    assert "ended with 1" in failed.text
    assert said.read_text().splitlines() == [f"compute-policy -i {GPU} --set-timeslice=1", f"--gpu-reset -i {GPU}"]
    assert "SECRET" not in Path(f"{said}.env").read_text()


def program(*given: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-P", "-m", "agents.root", *given]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30)


def test_the_program_takes_nothing_but_its_words() -> None:
    for given in ((), ("sh", "-c", "id"), ("mig-mode", GPU, "on; id"), ("sudoers",), ("--help",)):
        ended = program(*given)
        assert (ended.returncode, ended.stdout) == (64, "")
        assert "mig-mode" in ended.stderr


async def test_one_call_at_a_time_and_none_is_cut_off(driver: FakeDriver, root: RootChild, kept: Kept) -> None:
    driver.set({"fault.nvmlDeviceSetMigMode": "delay 300"})
    first = asyncio.ensure_future(root.do(MIG_ON, "ann"))
    while not kept:
        await asyncio.sleep(0.01)
    first.cancel()
    assert await root.do(SetPersistence(gpu=GPU, to=Switch.ON), "bob") == Done()
    assert [one[0] for one in kept] == [f"mig-mode {GPU} on", "done", f"persistence {GPU} on", "done"]


async def test_the_audit_has_both_records(tmp_path: Path, driver: FakeDriver, root: RootChild) -> None:
    audit = AuditLog(tmp_path / "audit", agent_version="0.1.0")
    assert await RootChild(recorded(audit), Host(uid=0)).do(MIG_ON, "ann") == Switched()
    (file,) = chain.files(audit.directory)
    intent, outcome = (unseal(line)[0] for line in file.read_bytes().splitlines(keepends=True))
    assert (intent.kind, intent.verb, intent.target, intent.author) == (
        Kind.INTENT,
        "root",
        f"mig-mode {GPU} on",
        "ann",
    )
    assert (outcome.kind, outcome.act, outcome.result) == (Kind.OUTCOME, intent.act, "done")
