import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.gpus.plausible import COOL_C, HOT_C
from agents.gpus.reader import Reader
from agents.gpus.simulated import Simulated
from agents.gpus.source import Frame, NoGpus
from engines.simulated_device import CLAIMS_DIRECTORY, Claim, SimulatedGpu, claim_file, encode_claim, encode_devices
from profiles.observed.gpus import Recovery
from profiles.observed.status import GpuSourceKind, GpuState

GPUS = [SimulatedGpu(uuid=f"GPU-{i}", index=i, name="H100", memory_total_mib=81559, memory_reserved_mib=559)
        for i in range(2)]  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / CLAIMS_DIRECTORY).mkdir()
    (tmp_path / "devices.json").write_bytes(encode_devices(GPUS))
    return tmp_path


def claim(directory: Path, pid: int, demand: float, memory_mib: int = 1000, instance: str | None = None) -> None:
    held = Claim(pid=pid, name="e", user="u", gpus={"GPU-0": memory_mib}, demand_ratio=demand, instance=instance)
    (directory / claim_file(pid)).write_bytes(encode_claim(held))


def looks(directory: Path, alive: Callable[[int], bool] = lambda pid: True) -> Callable[[float], Frame]:
    now = [100.0]
    source = Simulated(directory, clock=lambda: now[0], alive=alive)

    def look(after_s: float) -> Frame:
        now[0] += after_s
        return source.read()

    return look


def test_an_idle_gpu_reads_as_idle(directory: Path) -> None:
    frame = looks(directory)(1.0)
    assert frame.source.kind is GpuSourceKind.SIMULATED
    assert "SIMULATED" in frame.source.note
    gpu = frame.gpus[0]
    assert (gpu.busy_ratio, gpu.memory_used_mib, gpu.temperature_c, gpu.throttle) == (0.0, 0, COOL_C, ())
    assert gpu.processes == ()


def test_tenants_add_up_and_share_a_full_gpu(directory: Path) -> None:
    claim(directory, 1, 0.9, 30_000, "a/0")
    claim(directory, 2, 0.9, 20_000)
    busy, idle = looks(directory)(1.0).gpus
    assert busy.memory_used_mib == 50_000
    assert busy.busy_ratio == pytest.approx(1.0, abs=0.04)
    assert [(held.pid, held.instance, held.busy_ratio) for held in busy.processes] == [(1, "a/0", 0.5), (2, None, 0.5)]
    assert (idle.busy_ratio, idle.processes) == (0.0, ())


def test_the_dead_claim_nothing(directory: Path) -> None:
    claim(directory, 1, 0.5)
    claim(directory, 2, 0.5)
    assert [held.pid for held in looks(directory, lambda pid: pid == 2)(1.0).gpus[0].processes] == [2]


def test_load_heats_and_overload_throttles(directory: Path) -> None:
    look = looks(directory)
    claim(directory, 1, 0.5)
    mild = [look(1.0).gpus[0] for _ in range(120)][-1]
    assert mild.power_w is not None
    assert mild.energy_mj == pytest.approx(mild.power_w * 120 * 1000, rel=0.05)
    assert mild.throttle == ()
    claim(directory, 1, 2.0)
    hot = [look(1.0).gpus[0] for _ in range(120)][-1]
    assert hot.temperature_c is not None
    assert hot.temperature_c >= HOT_C
    assert hot.throttle == ("sw_thermal",)


def test_the_same_second_reads_the_same(directory: Path) -> None:
    claim(directory, 1, 0.5)
    assert looks(directory)(1.0).gpus[0].busy_ratio == looks(directory)(1.0).gpus[0].busy_ratio


def test_a_gpu_says_all_that_follows_from_its_work(directory: Path) -> None:
    look = looks(directory)
    cards = look(1.0).cards
    assert cards is not None
    assert [card.uuid for card in cards] == ["GPU-0", "GPU-1"]
    claim(directory, 1, 0.4)
    claim(directory, 2, 0.4)
    busy, idle = look(1.0).gpus
    assert busy.sm_active_ratio is not None
    assert busy.busy_ratio is not None
    assert 0 < busy.sm_active_ratio < busy.busy_ratio
    assert busy.switching_ratio
    assert (idle.sm_active_ratio, idle.switching_ratio, idle.nvlink_rx_mib_s) == (0.0, 0.0, 0.0)
    assert look(1.0).cards is None
    both = Claim(pid=3, name="e", user="u", gpus={"GPU-0": 10, "GPU-1": 10}, demand_ratio=0.2)
    (directory / claim_file(3)).write_bytes(encode_claim(both))
    assert all(gpu.nvlink_rx_mib_s for gpu in look(1.0).gpus)


def test_a_gpu_is_lost_and_back_by_its_switch(directory: Path) -> None:
    claim(directory, 1, 0.5)
    look = looks(directory)
    before = look(1.0).gpus[0]
    (directory / "devices.json").write_bytes(encode_devices([replace(GPUS[0], lost=True), GPUS[1]]))
    lost, other = look(1.0).gpus
    assert (lost.state, lost.busy_ratio, other.state) == (GpuState.LOST, before.busy_ratio, GpuState.OK)
    assert lost.seen_unix_s is not None
    (directory / "devices.json").write_bytes(encode_devices(GPUS))
    assert look(1.0).gpus[0].state is GpuState.OK


def test_a_number_that_is_added_is_reported_once(directory: Path) -> None:
    (directory / "devices.json").write_bytes(encode_devices([replace(GPUS[0], xids=(31,)), GPUS[1]]))
    look = looks(directory)
    assert look(1.0).xids == ()
    marred = replace(GPUS[0], xids=(31, 31, 79), recovery="node_reboot")
    (directory / "devices.json").write_bytes(encode_devices([marred, GPUS[1]]))
    frame = look(1.0)
    assert [(xid.uuid, xid.number) for xid in frame.xids] == [("GPU-0", 31), ("GPU-0", 79)]
    assert frame.gpus[0].recovery is Recovery.NODE_REBOOT
    assert look(1.0).xids == ()


def test_a_claim_being_written_is_passed_over(directory: Path) -> None:
    (directory / claim_file(3)).write_bytes(b'{"pid": 3')
    assert looks(directory)(1.0).gpus[0].processes == ()


def test_no_devices_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoGpus, match="no simulated GPUs in"):
        Simulated(tmp_path)


async def frames_until(reader: Reader, shown: list[Frame], test: Callable[[Frame], bool]) -> Frame:
    task = asyncio.create_task(reader.run())
    try:
        async with asyncio.timeout(25):
            while not (found := next(filter(test, shown), None)):
                await asyncio.sleep(0.02)
            return found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_reader_process_reads_and_goes_with_us(directory: Path) -> None:
    claim(directory, os.getpid(), 0.5)
    shown: list[Frame] = []
    reader = Reader(shown.append, directory)
    frame = await frames_until(reader, shown, lambda frame: bool(frame.gpus))
    assert [held.pid for held in frame.gpus[0].processes] == [os.getpid()]
    assert reader.pid is None


async def test_a_namesake_where_the_agent_was_started_is_not_run(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agents" / "gpus").mkdir(parents=True)
    (tmp_path / "agents" / "__init__.py").write_text("raise RuntimeError('not ours')")
    monkeypatch.chdir(tmp_path)
    shown: list[Frame] = []
    await frames_until(Reader(shown.append, directory), shown, lambda frame: bool(frame.gpus))


async def test_a_reader_that_cannot_begin_says_why() -> None:
    shown: list[Frame] = []
    script = "import sys; sys.stderr.write('Traceback …\\n' + 'x' * 9999 + '\\nImportError: no pynvml\\n')"
    reader = Reader(shown.append, command=(sys.executable, "-c", script))
    frame = await frames_until(reader, shown, lambda frame: True)
    assert frame.source.note == "the GPU reader ended before its first reading: ImportError: no pynvml"


async def test_a_reader_that_cannot_be_started_says_why_and_is_tried_again() -> None:
    shown: list[Frame] = []
    reader = Reader(shown.append, command=("/nowhere/python",))
    await frames_until(reader, shown, lambda frame: frame.source.kind is GpuSourceKind.NONE)
    assert shown[-1].source.note == "the GPU reader cannot be started: No such file or directory"


async def test_a_machine_without_gpus_keeps_no_reader(tmp_path: Path) -> None:
    shown: list[Frame] = []
    reader = Reader(shown.append, tmp_path)
    frame = await frames_until(reader, shown, lambda frame: reader.pid is None)
    assert frame.source.kind is GpuSourceKind.NONE
    assert len(shown) == 1


async def test_a_silent_reader_is_stale_then_replaced(directory: Path) -> None:
    code = (
        "import sys,time,os; from agents.gpus.child import *; s=open_source(sys.argv[1:]);"
        "write(msgspec.json.encode(s.read())+b'\\n'); time.sleep(600)"
    )
    shown: list[Frame] = []
    command = (sys.executable, "-c", code, "--simulated", str(directory))
    reader = Reader(shown.append, command=command, stale_s=0.2, stalled_s=0.6)
    await frames_until(reader, shown, lambda frame: "stalled" in frame.source.note)
    states = [frame.gpus[0].state for frame in shown if frame.gpus]
    assert GpuState.STALE in states
    assert "silent" in next(frame for frame in shown if frame.gpus[0].state is GpuState.STALE).source.note


async def test_the_first_reading_may_take_longer_than_the_others(directory: Path) -> None:
    code = "import sys,time; from agents.gpus.child import *; time.sleep(0.8); sys.exit(main(sys.argv[1:]))"
    command = (sys.executable, "-c", code, "--simulated", str(directory))
    shown: list[Frame] = []
    reader = Reader(shown.append, command=command, stale_s=0.1, stalled_s=0.2, first_s=20)
    frame = await frames_until(reader, shown, lambda frame: bool(frame.gpus) or "stalled" in frame.source.note)
    assert frame.gpus[0].state is GpuState.OK


async def test_the_reader_ends_when_its_stdin_does(directory: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents.gpus", "--simulated", str(directory),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    await asyncio.wait_for(child.stdout.readline(), 20)
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), 10) == 0
    await child.stdout.read()
