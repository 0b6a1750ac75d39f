import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from agents.board import Board
from agents.events import EventLog
from agents.instances import probe
from agents.instances.supervisor import Scraped, Supervisor
from agents.layout import Layout
from agents.processes import tree
from agents.processes.process import free_port
from agents.sampling.gpuwatch import GpuWatch
from agents.sampling.sampler import Owners, Sampler
from engines.base import Engine, EngineSample
from engines.simulated_device import CLAIMS_DIRECTORY, Claim, SimulatedGpu, claim_file, encode_claim, encode_devices
from profiles.observed.status import EngineReading, GpuProcess, GpuReading, GpuSource, GpuSourceKind, HostReading

FAKE = Path(__file__).parents[1] / "fakes" / "engine.py"


class Counting:
    """An adapter of the fake engine's page."""

    name = "fake"
    absent: dict[str, str] = {}

    def sample(self, metrics: str) -> EngineSample:
        values = dict(line.split() for line in metrics.splitlines())
        return EngineSample(running=float(values["fake_running"]), requests_finished=float(values["fake_finished"]))


class Watched(Supervisor):
    """A supervisor whose one engine was started by the test."""

    port = 0
    readings: list[EngineReading]
    evidence: list[EngineSample]

    def scraped(self) -> list[Scraped]:
        return [Scraped("chat/0", 1, cast(Engine, Counting()), self.sample)] if self.port else []

    async def sample(self) -> EngineSample | None:
        try:
            answer = await probe.get(self.port, "/metrics", 1.0)
        except probe.ProbeFailed:
            return None
        return Counting().sample(answer.body.decode()) if answer.status == 200 else None

    def set_reading(self, name: str, reading: EngineReading) -> None:
        self.readings.append(reading)

    def scraped_now(self, name: str, sample: EngineSample) -> None:
        self.evidence.append(sample)

    def roots(self) -> dict[int, str]:
        return {os.getpid(): "chat/0"}


@pytest.fixture
async def parts(tmp_path: Path) -> tuple[Board, Watched, Path]:
    layout = Layout(tmp_path / "state", tmp_path / "state" / "agent.sock")
    layout.make()
    host = HostReading(cores=1, memory_total_mib=1)
    board = Board(hostname="h", agent_version="0", boot_id="b", host=host, gpu_source=GpuSource(GpuSourceKind.NONE))
    events = EventLog(layout.events)
    supervisor = Watched(layout, board, events)
    supervisor.readings = []
    supervisor.evidence = []
    (tmp_path / "gpus" / CLAIMS_DIRECTORY).mkdir(parents=True)
    gpu = SimulatedGpu(uuid="GPU-0", index=0, name="H100", memory_total_mib=1000)
    (tmp_path / "gpus" / "devices.json").write_bytes(encode_devices([gpu]))
    return board, supervisor, tmp_path / "gpus"


async def sample_until(
    board: Board,
    supervisor: Supervisor,
    gpus: Path,
    test: Callable[[], bool],
    gpus_read: Callable[[Sequence[GpuReading]], None] = lambda _: None,
) -> None:
    sampler = Sampler(board, supervisor, state=gpus.parent / "state", simulated=gpus, gpus_read=gpus_read)
    task = asyncio.create_task(sampler.run())
    try:
        async with asyncio.timeout(25):
            while not test():
                if task.done():
                    await task
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_host_and_gpus_reach_the_board(parts: tuple[Board, Watched, Path]) -> None:
    board, supervisor, gpus = parts
    claim = Claim(pid=os.getpid(), name="pytest", gpus={"GPU-0": 100}, demand_ratio=0.5)
    (gpus / claim_file(os.getpid())).write_bytes(encode_claim(claim))
    await sample_until(board, supervisor, gpus, lambda: bool(board.status().gpus))
    status = board.status()
    assert status.host.memory_total_mib > 1
    assert status.gpu_source.kind is GpuSourceKind.SIMULATED
    assert [held.instance for held in status.gpus[0].processes] == ["chat/0"]


async def test_scrapes_become_readings_and_a_dead_engine_leaves_the_last(parts: tuple[Board, Watched, Path]) -> None:
    board, supervisor, gpus = parts
    supervisor.port = 1  # nobody listens there: the scrape fails and nothing else does
    await sample_until(board, supervisor, gpus, lambda: bool(board.status().gpus))
    assert supervisor.readings == []
    supervisor.port = free_port()
    engine = await asyncio.create_subprocess_exec(
        sys.executable, str(FAKE), "--running", "2", "--port", str(supervisor.port)
    )
    try:
        await sample_until(board, supervisor, gpus, lambda: len(supervisor.readings) >= 2)
    finally:
        engine.kill()
        await engine.wait()
    assert len(supervisor.evidence) >= 2, "every scrape is evidence of progress"
    last = supervisor.readings[-1]
    assert last.running == 2.0
    assert last.requests_per_s is not None
    assert last.requests_per_s > 0


async def test_a_stranger_on_a_gpu_becomes_an_event(parts: tuple[Board, Watched, Path], tmp_path: Path) -> None:
    board, supervisor, gpus = parts
    events = EventLog(tmp_path / "told.jsonl")
    watch = GpuWatch(events)
    supervisor.roots = dict  # type: ignore[method-assign]
    claim = Claim(pid=os.getpid(), name="whisper", user="bob", gpus={"GPU-0": 100})

    def arrived() -> bool:
        if board.status().gpus and not (gpus / claim_file(os.getpid())).exists():
            (gpus / claim_file(os.getpid())).write_bytes(encode_claim(claim))
        return events.last_seq > 0

    await sample_until(board, supervisor, gpus, arrived, watch.look)
    event = events.after(0, 9)[0]
    assert (event.code, event.gpu) == ("foreign_began", "GPU-0")
    assert f"whisper (bob, {os.getpid()}" in event.text


async def test_a_child_that_lost_its_mark_is_its_parent_s(parts: tuple[Board, Watched, Path]) -> None:
    """As a server of MPS may, which its control daemon starts."""
    _, supervisor, gpus = parts
    code = (
        "import subprocess as s, sys; c = s.Popen(['sleep', '60'], env={'PATH': '/usr/bin:/bin'});"
        "print(c.pid, flush=True); input(); c.kill(); c.wait()"
    )
    env = {tree.MARKER: "_mps-1", tree.MARKER_STATE: str(gpus.parent / "state")}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", code, env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert Owners(supervisor, gpus.parent / "state").name(GpuProcess(pid=pid)).instance == "_mps-1"
    assert Owners(supervisor, gpus.parent / "elsewhere").name(GpuProcess(pid=pid)).instance is None
    await parent.communicate(b"\n")


async def test_a_marked_process_of_another_state_is_foreign(parts: tuple[Board, Watched, Path]) -> None:
    _, supervisor, gpus = parts
    state = gpus.parent / "state"
    owners = Owners(supervisor, state)
    found = []
    for where in (str(state), "/elsewhere"):
        env = {tree.MARKER: "mine/0", tree.MARKER_STATE: where}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "print(flush=True); input()", env=env,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        await child.stdout.readline()
        found.append(owners.name(GpuProcess(pid=child.pid)).instance)
        await child.communicate(b"\n")
    assert found == ["mine/0", None]
