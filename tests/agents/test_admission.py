"""Who may start on a GPU: room, order, strangers, and what an instance keeps through crashes and new agents."""

import os
import signal
from pathlib import Path

import msgspec

from agents.board import Board
from agents.instances.admission import Admission
from agents.instances.claims import Claims
from engines.devices import Slice
from profiles.desired.model import InstanceSpec, Wanted
from profiles.observed.status import (
    GpuProcess,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    GpuState,
    HostReading,
    InstanceStatus,
    Phase,
)
from tests.fakes.supervised import Agent, reading_of, spec

WHOLE = Slice(gpu_uuid="GPU-1", gpu_index=0)
STRANGER = GpuProcess(pid=41, name="whisper", user="bob", memory_mib=60_000)


def part(mib: int, gpu: int = 1) -> Slice:
    return Slice(gpu_uuid=f"GPU-{gpu}", gpu_index=gpu - 1, memory_mib=mib)


def wants(name: str, *slices: Slice, **changes: object) -> InstanceSpec:
    return spec(name, slices=slices, **changes)


def code(status: InstanceStatus) -> str:
    return status.reason.code if status.reason else ""


def gpu(*processes: GpuProcess, one: Slice = WHOLE, **changes: object) -> GpuReading:
    used = sum(process.memory_mib or 0 for process in processes)
    return msgspec.structs.replace(reading_of(one), processes=processes, memory_used_mib=used, **changes)


async def waits(agent: Agent, name: str, why: str) -> InstanceStatus:
    return await agent.until(lambda one: one.phase is Phase.PENDING and code(one) == why, name)


async def test_room_goes_to_the_highest_priority_then_to_the_longest_waiting(agent: Agent) -> None:
    agent.set(wants("a/0", WHOLE))
    await agent.until_phase(Phase.READY, "a/0")
    others = (wants("b/0", WHOLE), wants("c/0", WHOLE), wants("d/0", WHOLE, priority=150))
    agent.set(wants("a/0", WHOLE), *others)
    for name in ("b/0", "c/0", "d/0"):
        waiting = await waits(agent, name, "no_room")
        assert waiting.reason
        assert waiting.reason.text == "GPU 0 is not free: a/0 has it"
    agent.set(wants("a/0", WHOLE, wanted=Wanted.STOPPED), *others)
    await agent.until_phase(Phase.READY, "d/0")
    agent.set(*others[:2])
    await agent.until_phase(Phase.READY, "b/0")
    await waits(agent, "c/0", "no_room")


async def test_strangers_are_waited_for_by_name_and_what_fits_beside_them_starts(agent: Agent) -> None:
    agent.board.set_gpus([gpu(STRANGER), gpu(one=part(1, 2))])
    agent.set(wants("a/0", part(30_000)), wants("b/0", part(10_000)))
    await agent.until_phase(Phase.READY, "b/0")
    text = "needs 30,000 MiB of GPU 0, which has 10,744 to give; best is GPU 1 with 80,744"
    waiting = await agent.until(lambda one: one.reason is not None and one.reason.text == text, "a/0")
    assert waiting.reason
    assert waiting.reason.hint == "also there: whisper (bob, pid 41)"
    agent.board.set_gpus([gpu(), gpu(one=part(1, 2))])
    await agent.until_phase(Phase.READY, "a/0")


async def test_a_crash_and_a_new_agent_cost_nobody_his_place(agent: Agent) -> None:
    agent.set(wants("a/0", WHOLE))
    ready = await agent.until_phase(Phase.READY, "a/0")
    agent.set(wants("a/0", WHOLE), wants("b/0", part(1000), priority=150))
    await waits(agent, "b/0", "no_room")
    agent.board.set_gpus([gpu(STRANGER)])
    assert ready.pid
    os.kill(ready.pid, signal.SIGKILL)
    again = await agent.until(lambda one: one.phase is Phase.READY and one.pid != ready.pid, "a/0")
    await agent.kill()
    agent.start()
    assert (await agent.until_phase(Phase.READY, "a/0")).pid == again.pid
    await waits(agent, "b/0", "no_room")
    await agent.kill()
    assert again.pid
    os.kill(again.pid, signal.SIGKILL)  # while nobody looks
    agent.start()
    await agent.until(lambda one: one.phase is Phase.READY and one.pid != again.pid, "a/0")
    await waits(agent, "b/0", "no_room")


async def test_who_moves_gives_his_old_place_up_and_who_failed_too(agent: Agent) -> None:
    agent.set(wants("a/0", WHOLE), wants("x/0", part(1000, 2)))
    await agent.until_phase(Phase.READY, "a/0")
    await agent.until_phase(Phase.READY, "x/0")
    agent.set(wants("a/0", Slice(gpu_uuid="GPU-2", gpu_index=1)), wants("x/0", part(1000, 2)), wants("b/0", WHOLE))
    await waits(agent, "a/0", "no_room")
    await agent.until_phase(Phase.READY, "b/0")
    agent.set(wants("b/0", WHOLE, options={"program": "no-such-engine"}), wants("c/0", WHOLE))
    await agent.until_phase(Phase.FAILED, "b/0")
    await agent.until_phase(Phase.READY, "c/0")


async def test_a_gpu_that_is_not_well_is_waited_for(agent: Agent) -> None:
    agent.board.set_gpus([gpu(state=GpuState.LOST)])
    agent.set(wants("a/0", WHOLE))
    await waits(agent, "a/0", "gpu_unfit")
    agent.board.set_gpus([gpu(one=part(1, 2))])
    await waits(agent, "a/0", "gpu_missing")
    agent.board.set_gpus([gpu()])
    ready = await agent.until_phase(Phase.READY, "a/0")
    agent.board.set_gpus([gpu(state=GpuState.LOST)])
    assert ready.pid
    os.kill(ready.pid, signal.SIGKILL)
    await waits(agent, "a/0", "gpu_unfit")
    agent.board.set_gpus([gpu()])
    await agent.until_phase(Phase.READY, "a/0")


def test_before_gpus_are_read_nobody_starts_and_the_highest_loads_first(tmp_path: Path) -> None:
    board = Board(
        hostname="h", agent_version="0", boot_id="b", host=HostReading(cores=1, memory_total_mib=1),
        gpu_source=GpuSource(GpuSourceKind.NONE, "the GPUs have not been read yet"),
    )  # fmt: skip
    admission = Admission(board, Claims(tmp_path, place=tmp_path))
    low, high = wants("low/0", part(1000)), wants("high/0", part(1000), priority=150)
    for one in (low, high):
        why = admission.ask(one.name, one)
        assert why
        assert why.text == "no GPU of this node is read: the GPUs have not been read yet"
    assert admission.ask("cpu/0", wants("cpu/0")) is None
    board.set_gpus([gpu()])
    first = admission.ask("low/0", low)
    assert first
    assert first.text == "high/0 is next to load on the same GPU"
    assert admission.ask("high/0", high) is None
    assert admission.ask("low/0", low) is not None
    admission.loaded("high/0")
    assert admission.ask("low/0", low) is None


def test_nobody_passes_another_whose_room_it_would_take(tmp_path: Path) -> None:
    board = Board(
        hostname="h", agent_version="0", boot_id="b", host=HostReading(cores=1, memory_total_mib=1),
        gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip
    admission = Admission(board, Claims(tmp_path, place=tmp_path))
    board.set_gpus([gpu(STRANGER)])
    big, small = wants("big/0", part(70_000)), wants("small/0", part(15_000))
    for one, why in ((big, "no_room"), (small, "waiting_for_room")):
        found = admission.ask(one.name, one)
        assert found
        assert found.code == why
    admission.settle("big/0", None)
    assert admission.ask("small/0", small) is None


def test_an_edit_moves_who_waits_and_keeps_how_long_it_has(tmp_path: Path) -> None:
    board = Board(
        hostname="h", agent_version="0", boot_id="b", host=HostReading(cores=1, memory_total_mib=1),
        gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip
    admission = Admission(board, Claims(tmp_path, place=tmp_path))
    board.set_gpus([gpu(STRANGER)])
    a, b = wants("a/0", part(50_000)), wants("b/0", part(50_000))
    for one in (a, b):
        assert admission.ask(one.name, one) is not None
    sooner = msgspec.structs.replace(b, priority=150)
    assert admission.ask("b/0", sooner) is not None
    board.set_gpus([gpu()])
    behind = admission.ask("a/0", a)
    assert behind
    assert behind.code == "waiting_for_room"
    assert admission.ask("b/0", sooner) is None
    c = wants("c/0", part(50_000, 2))
    board.set_gpus([gpu(STRANGER, one=part(1, 2))])
    assert admission.ask("c/0", c) is not None
    board.set_gpus([gpu(one=part(1, 2))])
    admission.settle("a/0", None)
    assert admission.ask("c/0", msgspec.structs.replace(c, priority=10)) is None, "nobody is ahead of himself"
