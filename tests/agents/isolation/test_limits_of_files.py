"""What is written into, and read from, the files of cgroup v2, with plain files in their place.

The controllers of the machine that tests run on may all be of cgroup v1, so the real thing is not everywhere.
"""

import sys
from pathlib import Path

import pytest

from agents.layout import InstanceLayout
from agents.processes import process
from agents.processes.isolation.cgroup import CONTROLLERS, Cgroup
from agents.processes.isolation.tier import Answer, Place, run_shim
from agents.processes.spawn import Launch, spawn
from profiles.desired.resources import Limits
from profiles.observed.isolation import NodeIsolation, Tier

EVENTS = "low 0\nhigh 0\nmax 31\noom 1\noom_kill {}\noom_group_kill 0\n"
DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


class Pretended:
    """Tier `cgroup` on a directory of ours, which the kernel knows nothing of."""

    isolation = NodeIsolation(tier=Tier.CGROUP)

    def __init__(self, group: Path) -> None:
        self.group = group

    def place(self, instance: str, incarnation: int, limits: Limits) -> Place:
        return Place(cgroup=str(self.group))

    async def start(self, directory: Path, launch: bytes, limits: Limits) -> Answer:
        return await run_shim(directory, launch)


@pytest.mark.parametrize(
    ("code", "kills", "text"),
    [
        (DIE, 1, "killed by the kernel: memory limit of 64 MiB"),
        (DIE, 0, "killed by SIGKILL"),
        (
            "raise SystemExit(1)",
            2,
            "exit code 1, after a process of it was killed by the kernel: memory limit of 64 MiB",
        ),
    ],
)
async def test_an_end_by_the_memory_limit_is_told(tmp_path: Path, code: str, kills: int, text: str) -> None:
    group, directory = tmp_path / "group", tmp_path / "chat.0"
    group.mkdir()
    directory.mkdir()
    (group / "memory.events").write_text(EVENTS.format(kills))
    launch = Launch(argv=(sys.executable, "-S", "-c", code), env={}, incarnation=1, port=1)
    handle = await spawn(InstanceLayout(directory), launch, Pretended(group), Limits(memory_mib=64))
    record = await process.read_exit(InstanceLayout(directory), handle)
    assert record is not None
    assert record.text() == text
    assert (group / "cgroup.procs").read_text() == "0"  # the engine joined before it was executed


def test_limits_become_the_kernels_files(tmp_path: Path) -> None:
    tier = Cgroup(tmp_path / "base", frozenset(CONTROLLERS.values()))
    leaf = Path(tier.place("chat.0", 3, Limits(memory_mib=64, cpu_weight=200, cpus="0-3,8")).cgroup)
    assert leaf == tmp_path / "base" / "chat.0@3"
    assert {file.name: file.read_text() for file in leaf.iterdir()} == {
        "memory.max": "67108864", "memory.oom.group": "1", "cpu.weight": "200", "cpuset.cpus": "0-3,8",
    }  # fmt: skip
    assert not list(Path(tier.place("other.0", 1, Limits()).cgroup).iterdir())
