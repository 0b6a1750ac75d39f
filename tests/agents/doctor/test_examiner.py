"""A check-up whose parts hang, fall or are many: the rest is told, and nobody waits for ever."""

import asyncio
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from agents.access.caller import Caller
from agents.access.peer import Peer
from agents.board import Board
from agents.doctor.examiner import LIMITS_S, Examiner
from agents.doctor.parts import PARTS
from agents.doctor.subject import Subject
from agents.errors import Refused
from agents.redaction import Redactor
from agents.server.selfcheck import self_checked
from agents.wire import SelfCheck
from profiles.observed.finding import Severity
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, Reason, Role
from tests.fakes.nvml.driver import FakeDriver

CANARY = "canary-5f1d9c"
TOKEN = "hf_AbCdEfGhIjKlMnOp"


def test_every_part_has_a_deadline() -> None:
    assert set(PARTS) == set(LIMITS_S)


async def test_a_driver_that_hangs_costs_its_own_part_alone(
    subject: Subject, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in driver.env().items():
        monkeypatch.setenv(name, value)
    driver.set({"fault.nvmlDeviceGetCount_v2": "hang"})
    findings = await Examiner(subject, {"host": 30.0, "gpus": 3.0}).findings()
    (hung,) = [one for one in findings if one.code == "check_hung"]
    assert hung.severity is Severity.PROBLEM
    assert "gpus" in hung.seen
    assert "dmesg" in hung.fix
    assert "agent_version" in {one.code for one in findings}


async def test_no_second_child_is_sent_where_one_hangs(subject: Subject) -> None:
    examiner = Examiner(subject, {"gpus": 30.0})
    stuck = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        examiner._hung["gpus"] = stuck
        (found,) = await examiner.findings()
        assert f"pid {stuck.pid}" in found.seen
    finally:
        os.kill(stuck.pid, signal.SIGKILL)
        await stuck.wait()
    assert "check_hung" not in {one.code for one in await examiner.findings()}


async def test_a_part_that_falls_says_so(subject: Subject) -> None:
    (found,) = await Examiner(subject, {"nothing": 30.0}).findings()
    assert (found.code, found.severity) == ("check_failed", Severity.PROBLEM)
    assert "KeyError" in found.seen


async def test_one_at_a_time_and_none_is_left_when_the_asker_goes(subject: Subject) -> None:
    examiner = Examiner(subject, {"host": 30.0, "audit": 30.0})
    asked = asyncio.create_task(examiner.findings())
    await asyncio.sleep(0)
    assert examiner.is_busy
    board = Board(
        hostname="a", agent_version="1", boot_id="b", host=HostReading(cores=1, memory_total_mib=1),
        gpu_source=GpuSource(GpuSourceKind.NONE),
    )  # fmt: skip
    caller = Caller(Peer(1, os.getuid()), Role.ADMIN, "ann")
    with pytest.raises(Refused, match="under way"):
        await self_checked(examiner, board, Nothing(), caller, SelfCheck())
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert not examiner.is_busy
    board.set_trouble("disk", Reason("disk", "it is full", "free space"))
    checked = await self_checked(examiner, board, Nothing(), caller, SelfCheck())
    assert checked.way == "socket"
    assert not checked.files
    assert ("agent_trouble", "it is full") in {(one.code, one.seen) for one in checked.findings}


class Nothing:
    """No logs, no secrets."""

    def log_path(self, instance: str, previous: bool) -> tuple[Path, int] | None:
        return None

    def redactor(self) -> Redactor:
        return Redactor({})


def doctor(state: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-P", "-m", "agents", "doctor", "--state", str(state), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)


def test_the_command_and_its_bundle_without_secrets(subject: Subject, tmp_path: Path) -> None:
    state = subject.layout.state
    secret = subject.layout.secrets / "key"
    secret.write_text(CANARY)
    secret.chmod(0o600)
    (state / "agent.log").write_text(f"started with {CANARY}\npassword={TOKEN}x\nall went well\n")
    spec = state / "instances" / "a.0"
    spec.mkdir()
    (spec / "log.1").write_text(f"Authorization: Bearer {TOKEN}\n{CANARY}\nloaded\n")
    bundle = tmp_path / "bundle.tgz"
    done = doctor(state, "--bundle", str(bundle))
    assert "agent_version" in done.stdout
    assert "agent.log" in done.stderr
    assert bundle.stat().st_mode & 0o077 == 0
    with tarfile.open(bundle) as archive:
        read = {entry.name: archive.extractfile(entry) for entry in archive.getmembers()}
        texts = {name.removeprefix("gpuyard-bundle/"): file.read() for name, file in read.items() if file}
    assert {"agent.log", "instances/a.0/log.1", "findings.json", "machine/proc-meminfo"} <= set(texts)
    assert b"all went well" in texts["agent.log"]
    assert not [name for name, text in texts.items() if CANARY.encode() in text or TOKEN.encode() in text]
    assert "new file" in doctor(state, "--bundle", str(bundle)).stderr


def test_a_problem_is_exit_code_1(subject: Subject) -> None:
    (subject.layout.secrets / "open").write_text("x")
    (subject.layout.secrets / "open").chmod(0o644)
    done = doctor(subject.layout.state, "--json")
    assert done.returncode == 1
    assert '"secret_modes"' in done.stdout
