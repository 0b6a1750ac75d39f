"""MPS with the real shim, the simulated control program and simulated engines: who is confined, and what is said."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from agents import state
from agents.fractions.exclusive import Exclusive
from agents.fractions.fractions import Fractions
from agents.fractions.mps import Mps, environment
from agents.gpus.simulated import Simulated
from agents.instances import keeper
from agents.privilege.answers import Done, Missing, Outcome
from agents.privilege.calls import AnyCall, ComputeMode, SetComputeMode
from agents.processes import tree
from agents.processes.isolation.plain import Plain
from agents.processes.process import Handle
from console.demo.mps import install
from engines.devices import Enforcer, ShareMode, Slice
from profiles.desired.model import DesiredInstance, InstanceSpec
from profiles.observed.gpus import GpuCard
from profiles.observed.status import GpuProcess, GpuReading, InternalStatus, Phase
from tests.engines.simulated_process import yard
from tests.fakes.mps_switches import switch
from tests.fakes.supervised import Agent

GPU = "GPU-a"
PART = Slice(
    gpu_uuid=GPU, gpu_index=0, memory_mib=12_000, memory_enforcer=Enforcer.MPS, compute_percent=30,
    compute_enforcer=Enforcer.MPS, gpu_memory_mib=80_000,
)  # fmt: skip


class Root:
    """May do everything, and does it."""

    def __init__(self) -> None:
        self.calls: list[AnyCall] = []

    def may(self, call: AnyCall) -> Missing | None:
        return None

    async def do(self, call: AnyCall, author: str) -> Outcome:
        self.calls.append(call)
        return Done()


class Room(Agent):
    """An agent with MPS on one simulated GPU, whose readings come ten times a second."""

    mps: Mps

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.simulated = yard(directory / "yard")

    def make_fractions(self) -> Fractions:
        self.mps = Mps(self.layout, Plain(), self.board, self.events)
        return Fractions({ShareMode.MPS: self.mps})

    def beside(self) -> Sequence[Coroutine[None, None, None]]:
        return (self._read(),)

    async def _read(self) -> None:
        assert self.simulated
        source = Simulated(self.simulated)
        while True:
            self.board.set_gpus(source.read().gpus)
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        await super().kill()
        self.mps.close()

    @property
    def daemon(self) -> InternalStatus | None:
        return next(iter(self.board.status().internals), None)

    async def until_daemon(self, phase: Phase | None) -> InternalStatus | None:
        try:
            async with asyncio.timeout(20):
                while (self.daemon.phase if self.daemon else None) is not phase:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"the daemon is {self.daemon}") from None
        return self.daemon


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets need short paths."""
    with tempfile.TemporaryDirectory(prefix="gym") as name:
        monkeypatch.setenv("PATH", f"{install(Path(name) / 'bin')}:{os.environ['PATH']}")
        yield Path(name)


@pytest.fixture
async def room(short: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    monkeypatch.setattr(keeper, "TROUBLE_S", 0.3)
    one = Room(short)
    one.start()
    yield one
    if one.task and not one.task.done():
        await one.kill()
    handles = [state.peek(path, Handle) for path in one.layout.instances.glob("*/handle.json")]
    for pid in one.mine():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):  # their shims write in the directory that is about to go
        while any(isinstance(handle, Handle) and tree.stat(handle.shim_pid) for handle in handles):
            await asyncio.sleep(0.02)


def client(name: str = "chat/0", part: Slice = PART, asked: int = 0, **options: object) -> InstanceSpec:
    base: dict[str, object] = {"load_seconds": 0.1, "weights_mib": 4_000, "kv_cache_mib": 4_000}
    return InstanceSpec(
        name=name, service=name.split("/")[0], engine="simulated", model="m", slices=(part,),
        options=base | options, restarts_asked=asked,
    )  # fmt: skip


def variables(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


async def test_two_clients_share_a_daemon_which_ends_after_the_last(room: Room) -> None:
    room.set(client("a/0"), client("b/0"))
    first = await room.until_phase(Phase.READY, "a/0")
    await room.until_phase(Phase.READY, "b/0")
    daemon = await room.until_daemon(Phase.READY)
    assert daemon
    assert daemon.clients == ("a/0", "b/0")
    assert daemon.pid
    assert first.pid
    assert tree.marked(daemon.pid) == (daemon.name, str(room.layout.state))
    env = variables(first.pid)
    assert env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=12000M"
    assert env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "30"
    assert env["CUDA_VISIBLE_DEVICES"] == variables(daemon.pid)["CUDA_VISIBLE_DEVICES"] == GPU
    room.set(client("a/0"))
    async with asyncio.timeout(20):
        while room.status("b/0"):
            await asyncio.sleep(0.02)
    assert room.daemon
    assert room.daemon.pid == daemon.pid
    room.set()
    await room.until_daemon(None)
    assert room.mine() == []
    codes = [event.code for event in room.events.after(0, 99) if event.gpu == GPU]
    assert codes == ["mps_started", "mps_stopped"]


async def test_more_than_its_limit_is_out_of_memory_for_its_cause(room: Room) -> None:
    room.set(client(leak_mib_per_s=20_000.0))
    failed = await room.until(lambda one: one.phase in (Phase.BACKOFF, Phase.FAILED))
    assert failed.reason
    assert "under an MPS limit of 12000 MiB" in failed.reason.text


async def test_a_client_that_silently_runs_without_mps_is_degraded(room: Room) -> None:
    switch(room.layout, GPU, fail_open=True)
    room.set(client())
    loose = await room.until_phase(Phase.DEGRADED)
    assert loose.reason
    assert (loose.reason.code, str(loose.pid) in loose.reason.text) == ("unconfined", True)
    switch(room.layout, GPU)
    room.set(client(asked=1))
    await room.until(lambda one: one.phase is Phase.READY and one.pid != loose.pid)
    await asyncio.sleep(0.5)
    assert (status := room.status())
    assert status.phase is Phase.READY


async def test_after_the_death_of_the_daemon_its_clients_come_back_one_by_one(room: Room) -> None:
    room.set(client("a/0"), client("b/0"))
    await room.until_phase(Phase.READY, "a/0")
    await room.until_phase(Phase.READY, "b/0")
    first = await room.until_daemon(Phase.READY)
    assert first
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    for name in ("a/0", "b/0"):
        reason = (await room.until_phase(Phase.DEGRADED, name)).reason
        assert reason
        assert reason.code == "mps_gone"
    room.set(client("a/0", asked=1), client("b/0"))
    waiting = await room.until_phase(Phase.BACKOFF, "a/0")
    assert waiting.reason
    assert (waiting.reason.code, "b/0" in waiting.reason.hint) == ("mps_gone", True)
    room.set(client("a/0", asked=1), client("b/0", asked=1))
    await room.until_phase(Phase.READY, "b/0")
    await room.until_phase(Phase.READY, "a/0")
    assert room.daemon
    assert room.daemon.pid != first.pid


async def test_an_error_of_one_client_ends_all_and_all_come_back(room: Room) -> None:
    room.set(client("a/0"), client("b/0", crash_after=1.0))
    pid = (await room.until_phase(Phase.READY, "a/0")).pid
    await room.until(lambda one: one.phase is Phase.READY and one.pid != pid, "a/0")
    exits = [event.text for event in room.events.after(0, 99) if event.code == "exited" and event.instance == "a/0"]
    assert any("MPS server" in text for text in exits)


async def test_nobody_new_is_started_while_the_server_is_in_fault(room: Room) -> None:
    room.set(client("a/0"))
    await room.until_phase(Phase.READY, "a/0")
    switch(room.layout, GPU, fault=True)
    reason = (await room.until_phase(Phase.DEGRADED, "a/0")).reason
    assert reason
    assert reason.code == "mps_fault"
    room.set(client("a/0"), client("b/0"))
    waiting = (await room.until_phase(Phase.BACKOFF, "b/0")).reason
    assert waiting
    assert (waiting.code, waiting.hint.split(":")[0]) == ("mps_fault", "restart a/0")
    switch(room.layout, GPU)
    await room.until_phase(Phase.READY, "a/0")


async def test_a_daemon_that_hangs_is_said_and_is_ended_with_its_last_client(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.fractions.mpscontrol.LIMIT_S", 0.5)
    room.set(client())
    await room.until_phase(Phase.READY)
    switch(room.layout, GPU, hang=True)
    reason = (await room.until_phase(Phase.DEGRADED)).reason
    assert reason
    assert reason.code == "mps_silent"
    room.set()
    await room.until_daemon(None)
    assert room.mine() == []


async def test_a_program_that_goes_while_a_daemon_runs_is_silence(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.set(client())
    await room.until_phase(Phase.READY)
    monkeypatch.setenv("PATH", os.defpath)
    reason = (await room.until_phase(Phase.DEGRADED)).reason
    assert reason
    assert (reason.code, "cannot be run" in reason.text) == ("mps_silent", True)


async def test_a_daemon_that_does_not_start_is_tried_again(room: Room) -> None:
    switch(room.layout, GPU, refuse="An instance of this daemon is already running")
    room.set(client())
    reason = (await room.until_phase(Phase.BACKOFF)).reason
    assert reason
    assert (reason.code, "already running" in reason.text) == ("mps_not_started", True)
    switch(room.layout, GPU)
    await room.until_phase(Phase.READY)


async def test_without_the_program_it_is_said_which(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    room.set(client(program=sys.executable))
    reason = (await room.until_phase(Phase.FAILED)).reason
    assert reason
    assert reason.code == "mps_missing"


async def test_the_next_agent_finds_the_daemon_and_its_clients(room: Room) -> None:
    room.set(client())
    pid = (await room.until_phase(Phase.READY)).pid
    daemon = room.daemon
    assert daemon
    await room.kill()
    room.start()
    assert (await room.until_phase(Phase.READY)).pid == pid
    again = await room.until_daemon(Phase.READY)
    assert again
    assert (again.pid, again.clients) == (daemon.pid, ("chat/0",))
    os.kill(daemon.pid or 0, signal.SIGKILL)
    await room.until_phase(Phase.DEGRADED)


async def test_a_daemon_that_lost_its_clients_while_no_agent_ran_ends(room: Room) -> None:
    room.set(client())
    status = await room.until_phase(Phase.READY)
    await room.kill()
    desired = msgspec.structs.replace(room.board.desired, instances={}, generation=9)
    assert isinstance(room.board.desired.instances["chat/0"], DesiredInstance)
    os.kill(status.pid or 0, signal.SIGKILL)
    room.supervisor.document.replace(desired)
    room.start()
    await room.until_daemon(None)
    async with asyncio.timeout(20):
        while room.mine():
            await asyncio.sleep(0.02)


async def test_a_limit_is_divided_among_the_processes_that_were_seen(room: Room) -> None:
    room.layout.instance("many/0").directory.mkdir()
    await room.mps.grant("many/0", [PART])
    joined = [await join(room, pid) for pid in (900_001, 900_002)]
    reason = await room.mps.verify("many/0", [PART], frozenset({900_001, 900_002}))
    assert reason
    assert reason.code == "mps_processes"
    await room.mps.release("many/0", [PART])
    env = (await room.mps.grant("many/0", [PART])).env
    assert env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=6000M"
    assert env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "15"
    await room.mps.release("many/0", [PART])
    for writer in joined:
        writer.close()


async def join(room: Room, pid: int) -> asyncio.StreamWriter:
    """A process of this pid, as the control program sees it."""
    pipes = next(room.layout.mps.iterdir())
    reader, control = await asyncio.open_unix_connection(pipes / "control")
    control.write(f"client {pid}\n".encode())
    path = (await reader.readline()).decode().split()[1]
    control.close()
    _, server = await asyncio.open_unix_connection(path)
    server.write(f"{pid}\n".encode())
    await server.drain()
    return server


async def test_with_the_right_nobody_gets_by_the_daemon(room: Room) -> None:
    room.mps._privileged = root = Root()
    room.board.set_gpu_cards((GpuCard(uuid=GPU, compute_mode="default"),))
    room.set(client())
    await room.until_phase(Phase.READY)
    assert root.calls == [SetComputeMode(gpu=GPU, to=ComputeMode.EXCLUSIVE)]
    room.set()
    await room.until_daemon(None)
    async with asyncio.timeout(5):
        while len(root.calls) < 2:
            await asyncio.sleep(0.02)
    assert root.calls[1:] == [SetComputeMode(gpu=GPU, to=ComputeMode.DEFAULT)]


async def test_nobody_who_is_there_already_is_shut_out(room: Room) -> None:
    room.mps._privileged = root = Root()
    room.board.set_gpu_cards((GpuCard(uuid=GPU, compute_mode="default"),))
    stranger = GpuReading(uuid=GPU, index=0, name="Simulated", processes=(GpuProcess(pid=9, name="whisper"),))
    room.board.set_gpus((stranger,))
    await Exclusive(room.layout.state / "exclusive", GPU, room.board, root).enter()
    assert root.calls == []


async def test_a_gpu_that_an_admin_made_exclusive_is_left_so(room: Room) -> None:
    room.mps._privileged = root = Root()
    room.board.set_gpu_cards((GpuCard(uuid=GPU, compute_mode="exclusive_process"),))
    await room.mps.grant("a/0", [PART])
    await room.mps.release("a/0", [PART])
    assert root.calls == []


async def test_a_process_of_another_user_is_let_in_by_nobody(room: Room) -> None:
    """Its limits are in its environment as ever, and nothing holds it to them."""
    if os.getuid():
        pytest.skip("becoming another user needs root")
    room.set(client())
    pid = (await room.until_phase(Phase.READY)).pid
    assert pid
    code = (
        "import os; from engines.simulated.mps import Confinement as C; os.setuid(65534); print(C().memory_limit_mib)"
    )
    env = {name: value for name, value in variables(pid).items() if name.startswith("CUDA_")}
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=env, stdout=asyncio.subprocess.PIPE)
    said, _ = await other.communicate()
    assert said.decode().strip() == "None"
    assert env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=12000M"


async def test_agents_of_two_users_have_a_daemon_each(room: Room, short: Path) -> None:
    """A server takes clients of one user: that is why the pipes lie under each agent's own state."""
    other = Room(short / "other")
    other.start()
    room.layout.instance("a/0").directory.mkdir()
    other.layout.instance("a/0").directory.mkdir()
    ours = (await room.mps.grant("a/0", [PART])).env
    theirs = (await other.mps.grant("a/0", [PART])).env
    assert ours["CUDA_MPS_PIPE_DIRECTORY"] != theirs["CUDA_MPS_PIPE_DIRECTORY"]
    await room.mps.release("a/0", [PART])
    assert other.daemon
    assert (other.daemon.phase, room.daemon) == (Phase.READY, None)
    await other.mps.release("a/0", [PART])
    await other.kill()
    assert other.mine() == []


def test_only_what_mps_enforces_is_in_the_environment() -> None:
    memory = msgspec.structs.replace(PART, compute_percent=None, compute_enforcer=Enforcer.NONE)
    assert "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE" not in environment(memory, "/p", 1)
    compute = msgspec.structs.replace(PART, memory_enforcer=Enforcer.ENGINE_FLAG)
    assert "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" not in environment(compute, "/p", 1)
    burst = msgspec.structs.replace(PART, memory_limit_mib=16_000)
    assert environment(burst, "/p", 1)["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=16000M"
