"""Ending processes that real agents list: an orphan, an engine, a stranger, and one that is somebody else's."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.errors import Refused
from agents.layout import InstanceLayout
from agents.privilege.answers import Missing, Outcome
from agents.privilege.calls import AnyCall
from agents.processes import tree
from agents.processes.isolation import cgroup, hierarchy
from agents.processes.isolation.cgroup import Cgroup
from agents.processes.process import kill_all
from agents.processes.spawn import Launch, spawn
from agents.processes.terminating import Terminator
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import GpuProcess, GpuReading, Phase
from tests.agents.listed import left_behind, survey
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.supervised import Agent, spec

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
ENDER = Path(__file__).with_name("ender.py")
OTHER_UID = 54321


class Nobody:
    """Acts as root for nobody: what these tests end is their own."""

    async def do(self, call: AnyCall, author: str) -> Outcome:
        raise AssertionError(f"root was asked to {call}")

    def may(self, call: AnyCall) -> Missing | None:
        return None


@pytest.fixture
def stranger() -> Iterator[int]:
    """A shell's child: who is a child of the agent is never ended."""
    words = ["sh", "-c", '"$@" & echo $!; wait', "sh", *SLEEP]
    with subprocess.Popen(words, env={}, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        pid = int(shell.stdout.readline())
        yield pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def terminator(agent: Agent) -> Terminator:
    return Terminator(survey(agent), agent.events, Nobody())


def on_a_gpu(agent: Agent, pid: int) -> NodeProcess:
    """As the agent then lists it."""
    held = GpuProcess(pid=pid, name="whisper", user="bob", memory_mib=1000)
    agent.board.set_gpus([GpuReading(uuid="GPU-0", index=0, name="x", processes=(held,))])
    return one_of(agent, pid)


def one_of(agent: Agent, pid: int) -> NodeProcess:
    one = tree.stat(pid)
    assert one is not None
    found = survey(agent).one(pid, one.start_ticks)
    assert found is not None
    return found


async def end(agent: Agent, one: NodeProcess, kind: ProcessKind) -> None:
    await terminator(agent).terminate(one.pid, one.start_ticks or 0, kind, "ann")


async def test_an_orphan_that_is_deaf_to_sigterm(agent: Agent) -> None:
    worker = await left_behind(agent)
    await end(agent, one_of(agent, worker), ProcessKind.ORPHAN)
    assert await survey(agent).everyone(commands=False) == ()
    told = [event for event in agent.events.after(0, 99) if event.code == "terminated"]
    assert [(event.author, event.instance) for event in told] == [("ann", "chat/0")]
    assert str(worker) in told[0].text


async def test_the_group_of_an_orphan_goes_with_it(agent: Agent, tmp_path: Path) -> None:
    tier = cgroup.probe(agent.layout.state)
    if not isinstance(tier, Cgroup):
        pytest.skip(f"no cgroup of our own on this machine: {tier}")
    paths = InstanceLayout(tmp_path / "gone.3")
    paths.directory.mkdir()
    handle = await spawn(paths, Launch(argv=SLEEP, env={}, incarnation=1, port=1), tier)
    await end(agent, one_of(agent, handle.pid), ProcessKind.ORPHAN)
    async with asyncio.timeout(10):
        while Path(handle.cgroup).exists():
            await asyncio.sleep(0.02)
    assert await kill_all(handle, ("", "")) == []
    assert not hierarchy.pids(Path(handle.cgroup))


async def test_a_stranger_on_a_gpu(agent: Agent, stranger: int) -> None:
    one = on_a_gpu(agent, stranger)
    assert one.kind is ProcessKind.FOREIGN
    await end(agent, one, ProcessKind.FOREIGN)
    assert stranger not in tree.everyone()
    (told,) = [event for event in agent.events.after(0, 99) if event.code == "terminated"]
    assert "foreign process" in told.text


async def test_an_engine_that_runs_is_started_anew(agent: Agent) -> None:
    agent.set(spec("chat/0"))
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid is not None
    await end(agent, one_of(agent, ready.pid), ProcessKind.OURS)
    again = await agent.until(lambda one: one.phase is Phase.READY and one.pid != ready.pid)
    assert again.restarts == 1


async def test_what_has_become_another_kind_is_left_alone(agent: Agent) -> None:
    agent.set(spec("chat/0"))
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid is not None
    with pytest.raises(Refused, match="is ours of chat/0 now, not orphan") as refused:
        await end(agent, one_of(agent, ready.pid), ProcessKind.ORPHAN)
    assert refused.value.code == "stale"
    assert ready.pid in tree.everyone()


async def test_a_pid_that_was_given_again_is_left_alone(agent: Agent, stranger: int) -> None:
    one = on_a_gpu(agent, stranger)
    with pytest.raises(Refused, match="no process"):
        await terminator(agent).terminate(one.pid, (one.start_ticks or 0) - 1, ProcessKind.FOREIGN, "ann")
    assert stranger in tree.everyone()


async def test_who_holds_no_gpu_and_is_of_no_instance_is_left_alone(agent: Agent, stranger: int) -> None:
    for pid in (1, stranger):
        other = tree.stat(pid)
        assert other is not None
        with pytest.raises(Refused, match="holds no GPU"):
            await terminator(agent).terminate(pid, other.start_ticks, ProcessKind.FOREIGN, "ann")
    assert stranger in tree.everyone()


async def test_the_agent_itself_is_left_alone(agent: Agent) -> None:
    with subprocess.Popen(SLEEP, env={}) as child:  # as its reader is
        for pid in (os.getpid(), child.pid):
            with pytest.raises(Refused, match="of the agent itself"):
                await end(agent, on_a_gpu(agent, pid), ProcessKind.FOREIGN)
        assert child.poll() is None
        child.kill()


@pytest.fixture
def theirs() -> Iterator["subprocess.Popen[bytes]"]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    with subprocess.Popen(["sleep", "600"], env={}, user=OTHER_UID, group=OTHER_UID, extra_groups=[]) as process:
        yield process
        process.kill()


def ended_by_nobody(program: Path, process: "subprocess.Popen[bytes]", events: Path) -> str:
    one = tree.stat(process.pid)
    assert one is not None
    argv = [sys.executable, "-P", str(ENDER), str(program), str(process.pid), str(one.start_ticks), str(events)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ENDER.parents[2])}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_another_user_s_process_needs_a_right_that_is_named(theirs: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    said = ended_by_nobody(Path("/nowhere"), theirs, tmp_path / "events")
    assert said.startswith(f"denied: process {theirs.pid} is {OTHER_UID}'s: it needs root, or to be the user of")
    assert f"`sudo kill -TERM {theirs.pid}`" in said
    assert theirs.poll() is None


def test_another_user_s_process_ends_where_sudo_lets_the_agent(
    granted: Path, driver: FakeDriver, theirs: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    said = ended_by_nobody(granted, theirs, tmp_path / "events")
    assert "could not be signalled as root" in said
    assert f"process {theirs.pid} holds no GPU" in said
    driver.hold(0, theirs.pid, 100)
    assert ended_by_nobody(granted, theirs, tmp_path / "events") == "gone"
    assert theirs.wait(10) == -15
