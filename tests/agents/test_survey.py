"""Whose a process is, told by real ones: an engine, what it left behind, and a stranger."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.layout import InstanceLayout
from agents.processes import tree
from agents.processes.isolation import cgroup, hierarchy
from agents.processes.isolation.cgroup import Cgroup
from agents.processes.process import kill_all
from agents.processes.spawn import Launch, spawn
from agents.processes.survey import held_by
from agents.processes.whois import HIDDEN, without_secrets
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import GpuProcess, GpuReading, Phase
from tests.agents.listed import left_behind, survey
from tests.fakes.supervised import Agent, spec

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)", "--api-key", "canary-key", "--port=1")


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(SLEEP, env={}) as process:
        yield process
        process.kill()


async def listed(agent: Agent, *, commands: bool = True) -> dict[int, NodeProcess]:
    return {one.pid: one for one in await survey(agent).everyone(commands=commands)}


async def test_an_engine_and_its_workers_are_ours(agent: Agent) -> None:
    agent.set(spec("chat/0", "--children", "2"))
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid is not None
    found = await listed(agent)
    assert found.keys() == set(agent.mine())
    assert {(one.kind, one.instance) for one in found.values()} == {(ProcessKind.OURS, "chat/0")}
    main = found[ready.pid]
    assert main.start_ticks == tree.stat(ready.pid).start_ticks  # type: ignore[union-attr]
    assert 0 <= (main.age_s or 0) < 60
    assert "--children 2" in main.command
    assert main.user
    again = survey(agent).one(main.pid, main.start_ticks or 0)
    assert again is not None
    assert (again.pid, again.kind, again.instance) == (main.pid, ProcessKind.OURS, "chat/0")


async def test_an_old_process_is_looked_up_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[int] = []
    marked = tree.marked

    def counting(pid: int) -> tuple[str, str] | None:
        looked_up.append(pid)
        return marked(pid)

    monkeypatch.setattr(tree, "marked", counting)
    agent.set(spec("chat/0"))
    ready = await agent.until_phase(Phase.READY)
    one = survey(agent)
    for _ in range(2):
        looked_up.clear()
        await one.everyone(commands=False)
        assert ready.pid in looked_up  # it may be about to become another program
    monkeypatch.setattr("agents.processes.survey.SETTLED_S", 0.0)
    await one.everyone(commands=False)
    looked_up.clear()
    assert [found.pid for found in await one.everyone(commands=False)] == [ready.pid]
    assert ready.pid not in looked_up


async def test_what_an_unknown_instance_left_is_an_orphan(agent: Agent) -> None:
    worker = await left_behind(agent)
    found = await listed(agent)
    assert list(found) == [worker]
    assert (found[worker].kind, found[worker].instance) == (ProcessKind.ORPHAN, "chat/0")
    assert survey(agent).one(worker, (found[worker].start_ticks or 0) + 1) is None


async def test_an_older_incarnation_s_worker_is_an_orphan_beside_the_new_engine(agent: Agent) -> None:
    worker = await left_behind(agent)
    agent.set(spec("chat/0"))
    ready = await agent.until_phase(Phase.READY)
    found = await listed(agent)
    assert ready.pid is not None
    assert found[ready.pid].kind is ProcessKind.OURS
    assert found[worker].kind is ProcessKind.ORPHAN
    assert next(iter(found)) == worker  # what somebody should look at comes first


async def test_a_stranger_on_a_gpu_is_foreign(agent: Agent, stranger: "subprocess.Popen[bytes]") -> None:
    held = GpuProcess(pid=stranger.pid, memory_mib=1000)
    other = GpuProcess(pid=999_999_999, name="hidden", user="bob")
    agent.board.set_gpus(
        [GpuReading(uuid=f"GPU-{index}", index=index, name="x", processes=(held, other)) for index in (1, 0)]
    )
    found = await listed(agent)
    one = found[stranger.pid]
    assert (one.kind, one.gpus, one.memory_mib, one.instance) == (ProcessKind.FOREIGN, (0, 1), 2000, None)
    assert "canary-key" not in one.command
    assert f"--api-key {HIDDEN} --port=1" in one.command
    unseen = found[999_999_999]
    assert (unseen.start_ticks, unseen.name, unseen.user, unseen.memory_mib) == (None, "hidden", "bob", None)
    assert all(one.command == "" for one in (await listed(agent, commands=False)).values())


async def test_one_without_a_mark_is_known_by_its_group(agent: Agent, tmp_path: Path) -> None:
    tier = cgroup.probe(agent.layout.state)
    if not isinstance(tier, Cgroup):
        pytest.skip(f"no cgroup of our own on this machine: {tier}")
    paths = InstanceLayout(tmp_path / "gone.3")
    paths.directory.mkdir()
    handle = await spawn(paths, Launch(argv=SLEEP, env={}, incarnation=1, port=1), tier)
    found = await listed(agent)
    assert (found[handle.pid].kind, found[handle.pid].instance) == (ProcessKind.ORPHAN, "gone/3")
    assert await kill_all(handle, ("", "")) == []
    assert not hierarchy.pids(Path(handle.cgroup))


def test_memory_is_summed_over_gpus_and_unknown_stays_unknown() -> None:
    a, b = GpuProcess(pid=1, memory_mib=5, busy_ratio=0.2), GpuProcess(pid=1, busy_ratio=0.9)
    gpus = [GpuReading(uuid="a", index=3, name="x", processes=(a, b)), GpuReading(uuid="b", index=1, name="x")]
    held = held_by(gpus)[1]
    assert (held.memory_mib, held.busy_ratio, held.gpus) == (5, 0.9, (3,))
    assert held_by([GpuReading(uuid="a", index=0, name="x", processes=(b,))])[1].memory_mib is None


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["x", "--api-key", "v", "--port", "1"], ["x", "--api-key", HIDDEN, "--port", "1"]),
        (["x", "--hf-token=v"], ["x", f"--hf-token={HIDDEN}"]),
        (["env", "DB_PASSWORD=v", "x"], ["env", f"DB_PASSWORD={HIDDEN}", "x"]),
        (["x", "--use-auth", "--port", "1"], ["x", "--use-auth", "--port", "1"]),
        (["x", "hf_abcdefghij", "sk-abcdefgh1"], ["x", HIDDEN, HIDDEN]),
        (["x", "http://user:pass@host/m"], ["x", f"http://{HIDDEN}@host/m"]),
        (["python", "-m", "vllm"], ["python", "-m", "vllm"]),
        (["x", "--max-num-batched-tokens", "8192"], ["x", "--max-num-batched-tokens", "8192"]),
        (["x", "--kv-mib-per-token=0.125"], ["x", "--kv-mib-per-token=0.125"]),
        (["x", "--token", "12345678"], ["x", "--token", HIDDEN]),
        (["x", "--password", "1234"], ["x", "--password", HIDDEN]),
    ],
)
def test_arguments_that_speak_of_a_secret_are_hidden(argv: list[str], shown: list[str]) -> None:
    assert without_secrets(argv) == shown
