"""XIDs, from the driver and from the kernel's log, to events and to what stands against a GPU."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from agents.events import EventLog
from agents.gpus import kernellog
from agents.gpus.kernellog import KernelXid
from agents.gpus.nvidia import Nvidia
from agents.gpus.source import DriverXid, Frame
from agents.sampling.gpuhealth import GpuHealthWatch
from agents.sampling.witnesses import Witness, Witnesses
from agents.sampling.xidlog import QUIET_S, XidLog
from profiles.observed.finding import Severity
from profiles.observed.gpus import GpuCard, GpuHealth, Recovery, Xid
from profiles.observed.status import GpuProcess, GpuReading, GpuSource, GpuSourceKind
from tests.fakes.nvml.driver import FakeDriver

CARDS = tuple(GpuCard(uuid=f"GPU-{i}", bus=f"0000:{0x1B + i:02x}:00.0") for i in range(2))
HELD = (GpuProcess(pid=4242, name="python3", instance="chat/0"),)
OFF_THE_BUS = "NVRM: Xid (PCI:0000:1c:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
PAGE_FAULT = "NVRM: Xid (PCI:0000:1b:00): 31, pid=4242, name=python3, Ch 00000008, MMU Fault: FAULT_PDE"


def gpu(index: int, energy_mj: int | None = 1_000_000, recovery: Recovery | None = None) -> GpuReading:
    return GpuReading(
        uuid=f"GPU-{index}", index=index, name="H100", energy_mj=energy_mj, processes=HELD, recovery=recovery
    )


class Node:
    """An agent's part that hears of XIDs; its clock stands still until it is turned."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now_s = time.time()
        self.begin()

    def begin(self) -> None:
        self.events = EventLog(self.directory / "events.jsonl", wall=lambda: self.now_s)
        self.log = XidLog(self.directory / "xids.json", self.events, wall=lambda: self.now_s)
        self.watch = GpuHealthWatch(self.log, self.events)

    def look(self, *gpus: GpuReading, xids: tuple[DriverXid, ...] = (), stalled: bool = False) -> list[GpuReading]:
        source = GpuSource(GpuSourceKind.NVML)
        return list(self.watch.look(Frame(source, gpus or (gpu(0), gpu(1)), CARDS, xids, stalled)))

    def kernel(self, line: str, record: int = 1) -> None:
        for xid in kernellog.xids(f"4,{record},1,-;{line}"):
            self.log.hear_kernel(xid)

    def driver(self, uuid: str, number: int) -> DriverXid:
        return DriverXid(uuid, number, self.now_s)

    def told(self) -> list[str]:
        return [event.text for event in self.events.after(0, 999)]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    one = Node(tmp_path)
    monkeypatch.setattr("agents.sampling.xidlog.booted_unix_s", lambda: one.now_s)
    return one


def test_lines_of_the_kernels_log() -> None:
    record = f"4,1234,5678901,-;{OFF_THE_BUS}\n SUBSYSTEM=pci\n DEVICE=+pci:0000:1c:00.0\n"
    (xid,) = kernellog.xids(record)
    assert (xid.record, xid.at_us, xid.bus, xid.number, xid.pid) == (1234, 5678901, "0000:1c:00", 79, None)
    assert "fallen off the bus" in xid.text
    (fault,) = kernellog.xids(f"4,9,7,c;{PAGE_FAULT}")
    assert (fault.number, fault.pid) == (31, 4242)


@pytest.mark.parametrize(
    "line", [f"12,1,1,-;{OFF_THE_BUS}", "4,1,1,-;nvidia: module license taints kernel", f" {OFF_THE_BUS}", ""]
)
def test_what_is_no_xid_of_the_kernel(line: str) -> None:
    assert list(kernellog.xids(line)) == []


@pytest.mark.parametrize(
    ("kernels", "same"),
    [("0000:1b:00", True), ("0000:1b:00.0", True), ("0000:1c:00", False), ("", False)],
)
def test_bus_addresses(kernels: str, same: bool) -> None:
    assert kernellog.same_bus(kernels, CARDS[0].bus) == same


async def test_the_log_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    os.mkfifo(path)
    heard: list[KernelXid] = []
    with path.open("r+b", buffering=0) as kernel:
        kernel.write(f"4,1,1,-;{PAGE_FAULT}\n".encode())
        task = asyncio.create_task(kernellog.follow(heard.append, path))
        async with asyncio.timeout(10):
            while len(heard) < 1:
                await asyncio.sleep(0.01)
            kernel.write(f"4,2,2,-;usb 1-1: new device\n4,3,3,-;{OFF_THE_BUS}\n".encode())
            while len(heard) < 2:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [xid.number for xid in heard] == [31, 79]


async def test_where_the_log_is_closed_the_driver_alone_is_heard(node: Node, tmp_path: Path) -> None:
    await asyncio.wait_for(node.log.follow_kernel(tmp_path / "none"), 5)


@pytest.mark.parametrize("order", [(Witness.DRIVER, Witness.KERNEL), (Witness.KERNEL, Witness.DRIVER)])
def test_what_both_tell_is_one(order: tuple[Witness, Witness]) -> None:
    witnesses = Witnesses()
    assert [witnesses.is_new("a", 79, 100.0 + 2 * at, who) for at, who in enumerate(order)] == [True, False]
    assert witnesses.is_new("a", 79, 103.0, order[0])
    assert witnesses.is_new("a", 79, 114.0, order[1]), "too late for the one before"
    assert witnesses.is_new("b", 79, 100.0, order[0])


def test_one_from_both_is_counted_once_and_drains_the_gpu(node: Node) -> None:
    node.look()
    node.kernel(OFF_THE_BUS)
    first, second = node.look(xids=(node.driver("GPU-1", 79),))
    assert (first.health, first.xids) == (GpuHealth.OK, ())
    assert second.health is GpuHealth.DRAIN
    assert [(xid.number, xid.count) for xid in second.xids] == [(79, 1)]
    assert node.told() == [
        "gpu1 XID 79: the GPU has fallen off the bus — power-cycle the node; if it repeats: seating, power, heat"
    ]
    event = node.events.after(0, 1)[0]
    assert (event.code, event.gpu, event.severity) == ("xid", "GPU-1", Severity.PROBLEM)


def test_an_error_of_a_process_is_told_of_its_instance_and_leaves_the_gpu_well(node: Node) -> None:
    node.look()
    node.kernel(PAGE_FAULT)
    assert node.look()[0].health is GpuHealth.OK
    assert node.events.after(0, 1)[0].instance == "chat/0"


def test_the_same_again_and_again_is_told_once_a_minute(node: Node) -> None:
    node.look()
    for record in range(1, 501):
        node.kernel(PAGE_FAULT, record)
    assert len(node.told()) == 1
    node.now_s += QUIET_S
    node.kernel(PAGE_FAULT, 501)
    assert node.told()[1:] == [
        "gpu0 XID 31: a page fault in GPU memory; 499 more of them before — restart the engine; a bug of its own, "
        "unless only this GPU has it"
    ]
    assert node.look()[0].xids == (Xid(31, node.now_s, 501),)


def test_xids_from_before_the_gpus_are_known_wait(node: Node) -> None:
    node.kernel(OFF_THE_BUS)
    assert node.told() == []
    node.look()
    assert node.told()[0].startswith("gpu1 XID 79")


def test_a_gpu_that_is_not_ours_is_named_by_its_place(node: Node) -> None:
    node.look()
    node.kernel("NVRM: Xid (PCI:0000:ff:00): 4711, pid=1, name=x, something new")
    assert node.told() == [
        "the GPU at 0000:ff:00 XID 4711: not in NVIDIA's catalogue (name=x, something new) — see the kernel's log for "
        "its own words"
    ]


def test_they_survive_the_agent_and_its_successor_counts_none_twice(node: Node) -> None:
    node.look()
    node.kernel(OFF_THE_BUS, record=7)
    node.look()
    node.begin()
    node.kernel(OFF_THE_BUS, record=7)
    assert node.look()[1].health is GpuHealth.DRAIN
    assert len(node.told()) == 1
    node.kernel(OFF_THE_BUS, record=8)
    assert node.look()[1].xids[0].count == 2


def test_those_of_another_boot_are_over(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.look(xids=(node.driver("GPU-0", 119),))
    node.look()
    monkeypatch.setattr("agents.processes.tree.boot_id", lambda: "another")
    node.begin()
    assert node.look()[0].health is GpuHealth.OK


def test_a_reset_ends_them(node: Node) -> None:
    node.look(xids=(node.driver("GPU-0", 119),))
    assert node.look()[0].health is GpuHealth.DRAIN
    assert node.look(gpu(0, energy_mj=500), gpu(1))[0].health is GpuHealth.OK
    assert node.told()[-2:] == ["gpu0 was reset", "gpu0 is ok again"]
    assert node.look(gpu(0, energy_mj=2_000_000), gpu(1))[0].xids == ()


def test_what_the_driver_asks_for_is_an_event_when_it_begins(node: Node) -> None:
    node.look(gpu(0, recovery=Recovery.NODE_REBOOT))
    assert node.told() == []
    node.look(gpu(0, recovery=Recovery.NONE))
    node.look(gpu(0, recovery=Recovery.GPU_RESET))
    assert node.told()[0] == "gpu0 is ok again"
    assert node.told()[1].startswith("gpu0 is to be drained: the driver asks for a reset of the GPU")


def test_while_the_reader_is_stalled_no_gpu_is_well(node: Node) -> None:
    assert [one.health for one in node.look(stalled=True)] == [GpuHealth.STALLED] * 2
    assert [one.health for one in node.look()] == [GpuHealth.OK] * 2


@pytest.fixture
def clocked(driver: FakeDriver, nvml: ModuleType) -> Callable[[], Frame]:
    driver.set({"gpu0.events": 0x81DF})
    now_s = 0.0
    gpus = Nvidia(clock=lambda: now_s)

    def read() -> Frame:
        nonlocal now_s
        now_s += 1.0
        return gpus.read()

    return read


def test_the_driver_tells_xids_with_the_next_reading(driver: FakeDriver, clocked: Callable[[], Frame]) -> None:
    assert clocked().xids == ()
    driver.post(0, 13)
    driver.post(0, 31)
    uuid = str(driver.state["gpu0.uuid"])
    assert [(xid.uuid, xid.number) for xid in clocked().xids] == [(uuid, 13), (uuid, 31)]
    assert clocked().xids == ()


def test_the_others_are_still_heard_when_one_is_lost(driver: FakeDriver, nvml: ModuleType) -> None:
    driver.add()
    gpus = Nvidia()
    driver.set({"gpu0.fault": 15})
    gpus.read()
    driver.post(1, 43)
    assert [xid.number for xid in gpus.read().xids] == [43]


def test_a_change_that_the_driver_tells_is_looked_at_at_once(driver: FakeDriver, clocked: Callable[[], Frame]) -> None:
    clocked()
    driver.set({"gpu0.recovery_action": 1})
    assert clocked().gpus[0].recovery is Recovery.NONE
    driver.post(0, 0, kind=0x8000)
    assert clocked().gpus[0].recovery is Recovery.GPU_RESET
