"""What would be said to systemd, to the letter: recorders in place of its programs. systemd itself does not run here.

The recorders also do what a manager would: run the shim that they are told to run, without a stdin.
"""

import json
import os
import pwd
import sys
from pathlib import Path

import pytest

from agents.layout import SYSTEM_STATE, InstanceLayout
from agents.processes import process
from agents.processes.isolation import cgroup, hierarchy, system_unit, systemd, user_unit
from agents.processes.isolation.choice import choose
from agents.processes.isolation.system_unit import SystemUnit
from agents.processes.isolation.tier import shim_argv
from agents.processes.isolation.user_unit import UserUnit
from agents.processes.spawn import AlreadyLocked, CannotExecute, Launch, spawn
from profiles.desired.resources import CPU_WEIGHT, CPUS, MEMORY, Limits
from profiles.observed.isolation import Tier

LIMITS = Limits(memory_mib=65536, cpu_weight=200, cpus="0-7")
EVERY = frozenset({"memory", "cpu", "cpuset"})

RECORDER = """#!{python}
import json, os, subprocess, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
run = {start!r} if "start" in sys.argv else sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else ["true"]
sys.exit(subprocess.run(run, stdin=subprocess.DEVNULL, env={{"PATH": os.defpath}}).returncode)
"""


class Systemd:
    """systemd-run and systemctl that write down their calls."""

    def __init__(self, directory: Path, start: tuple[str, ...]) -> None:
        self.calls_file = directory / "calls"
        for name in ("systemd-run", "systemctl"):
            program = directory / name
            program.write_text(RECORDER.format(python=sys.executable, calls=str(self.calls_file), start=list(start)))
            program.chmod(0o755)

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "instances" / "chat-70b.0"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def manager(tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Systemd(programs, shim_argv(directory, "--launch-fifo"))


def launch(*code: str) -> Launch:
    return Launch(argv=(sys.executable, "-S", "-c", *code), env={"TOKEN": "canary-5ecret"}, incarnation=1, port=1)


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A directory in place of the hierarchy: the shim makes its engine's group below its own unit's."""
    root = tmp_path / "cgroup"
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    (root / own.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root


async def test_a_user_unit_is_one_call(directory: Path, manager: Systemd, mount: Path, tmp_path: Path) -> None:
    tier = UserUnit(mount, tmp_path, EVERY)
    handle = await spawn(InstanceLayout(directory), launch("import time; time.sleep(600)"), tier, LIMITS)
    assert await process.kill_all(handle, ("", "")) == []
    [call] = manager.calls()
    assert call[:5] == [
        "systemd-run",
        "--user",
        "--quiet",
        "--collect",
        f"--unit=gpuyard-chat-70b.0-{tier._suffix}.service",
    ]
    assert call[5:] == [
        "--property=Type=forking", "--property=GuessMainPID=no", "--property=Delegate=yes",
        "--property=KillMode=mixed", "--property=OOMPolicy=continue", "--property=TimeoutStopSec=60",
        "--property=UMask=0077", "--property=MemoryMax=65536M", "--property=CPUWeight=200",
        "--property=AllowedCPUs=0-7", "--", *shim_argv(directory, "--launch-fifo"),
    ]  # fmt: skip
    assert handle.cgroup.endswith("/engine")
    assert "canary-5ecret" not in manager.calls_file.read_text()
    assert not (directory / "launch").exists()
    assert not (directory / "answer").exists()


async def test_a_system_unit_is_limited_then_started(directory: Path, manager: Systemd, mount: Path) -> None:
    handle = await spawn(InstanceLayout(directory), launch("import time; time.sleep(600)"), SystemUnit(mount))
    assert await process.kill_all(handle, ("", "")) == []
    unit = "gpuyard-engine@chat-70b.0.service"
    assert manager.calls() == [
        ["systemctl", "--no-ask-password", "set-property", "--runtime", unit,
         "MemoryMax=infinity", "CPUWeight=100", "AllowedCPUs="],
        ["systemctl", "--no-ask-password", "start", unit],
    ]  # fmt: skip


async def test_the_shims_own_word_counts_more_than_the_managers(
    directory: Path, manager: Systemd, mount: Path, tmp_path: Path
) -> None:
    tier = UserUnit(mount, tmp_path, EVERY)
    bad = Launch(argv=("/nowhere/engine",), env={}, incarnation=1, port=1)
    with pytest.raises(CannotExecute, match="/nowhere/engine: No such file"):
        await spawn(InstanceLayout(directory), bad, tier)
    sleeper = Launch(argv=(sys.executable, "-S", "-c", "import time; time.sleep(9)"), env={}, incarnation=2, port=1)
    handle = await spawn(InstanceLayout(directory), sleeper, tier)
    try:
        with pytest.raises(AlreadyLocked):
            await spawn(InstanceLayout(directory), sleeper, tier)
    finally:
        assert await process.kill_all(handle, ("", "")) == []


async def test_a_manager_that_refuses_is_quoted(directory: Path, manager: Systemd, tmp_path: Path) -> None:
    for name in ("systemd-run", "systemctl"):
        (manager.calls_file.parent / name).write_text(
            "#!/bin/sh\necho 'Interactive authentication required.' >&2; exit 1\n"
        )
    for tier in (UserUnit(tmp_path, tmp_path, EVERY), SystemUnit(tmp_path)):
        with pytest.raises(CannotExecute, match="Interactive authentication required"):
            await spawn(InstanceLayout(directory), launch("pass"), tier)
    assert not (directory / "launch").exists()


def test_what_the_users_manager_lacks_is_said() -> None:
    found = UserUnit(Path("/"), Path("/s"), frozenset({"memory"})).isolation
    assert found.holds[MEMORY] == "systemd MemoryMax"
    assert "affinity" in found.holds[CPUS]
    assert set(found.absent) == {CPU_WEIGHT}


def test_the_template_runs_the_shim_as_the_agents_user() -> None:
    lines = system_unit.template("gpuyard").splitlines()
    assert "User=gpuyard" in lines
    assert "Delegate=yes" in lines
    [start] = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith(f"{SYSTEM_STATE}/instances/%i --launch-fifo")


def test_probes_say_what_is_missing(tmp_path: Path, manager: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "RUNS", tmp_path / "systemd")
    assert system_unit.probe(SYSTEM_STATE) == "systemd does not run this machine"
    (tmp_path / "systemd" / "private").mkdir(parents=True)
    assert "only the agent of" in str(system_unit.probe(tmp_path))
    assert "not installed" in str(system_unit.probe(SYSTEM_STATE))
    assert manager.calls()[-1] == [
        "systemctl", "show", "--property=LoadState", "--value", "gpuyard-engine@probe.service",
    ]  # fmt: skip
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert "no systemd manager" in str(user_unit.probe(tmp_path, {}))
    monkeypatch.setattr(user_unit, "LINGER", tmp_path)
    assert "ends with the last login" in str(user_unit.probe(tmp_path, runtime))
    (tmp_path / pwd.getpwuid(os.getuid()).pw_name).touch()
    if hierarchy.mount():
        assert isinstance(user_unit.probe(tmp_path, runtime), UserUnit)


def test_the_choice_says_why_it_is_not_a_better_one(tmp_path: Path) -> None:
    found = choose(tmp_path).isolation
    assert list(found.better) == list(Tier)[: list(Tier).index(found.tier)]
    assert all(found.better.values())


def test_a_service_that_would_take_its_engines_along_is_told(
    tmp_path: Path, manager: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "RUNS", tmp_path)
    service, session = tmp_path / "gpuyard-agent.service", tmp_path / "session-3.scope"
    assert "needs KillMode=process" in cgroup._refused(service)  # the recorder prints no mode
    assert manager.calls()[-1] == ["systemctl", "show", "--property=KillMode", "--value", "gpuyard-agent.service"]
    assert "needs Delegate=yes" in cgroup._refused(session)
    monkeypatch.setattr(cgroup, "ask", lambda *_: "process")
    monkeypatch.setattr(cgroup, "_is_delegated", lambda group: group == service)
    assert cgroup._refused(service) == ""
    assert cgroup._home(service / "agent") == service
    assert cgroup._home(service) == service
