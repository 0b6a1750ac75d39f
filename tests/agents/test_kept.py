"""How a daemon says that it is kept, against recorders in place of systemctl and crontab."""

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents import kept
from agents.kept import look, unit_of
from profiles.observed.kept import Kept, KeptBy

SYSTEM = "0::/system.slice/gpuyard-agent.service\n"
OF_USER = "/user.slice/user-1000.slice/user@1000.service"
Machine = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("cgroups", "found"),
    [
        (SYSTEM, ("system", "gpuyard-agent.service")),
        ("0::/system.slice/gpuyard-agent.service/agent", ("system", "gpuyard-agent.service")),
        (f"0::{OF_USER}/app.slice/gpuyard-agent.service", ("user", "gpuyard-agent.service")),
        ("12:memory:/x.service\n1:name=systemd:/system.slice/a.service\n0::/\n", ("system", "a.service")),
        ("0::/user.slice/user-1000.slice/session-3.scope", ("", "")),
        (f"0::{OF_USER}/app.slice/tmux.scope", ("", "")),
        ("0::/", ("", "")),
    ],
)
def test_the_unit_is_read_from_the_cgroups(cgroups: str, found: tuple[str, str]) -> None:
    assert unit_of(cgroups) == found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """With a systemctl and a crontab that print these texts; the file of the calls is returned."""
    monkeypatch.setattr(kept, "RUNS", tmp_path)
    monkeypatch.setattr(kept, "LINGER", tmp_path / "linger")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "linger").mkdir()

    def make(systemctl: str, crontab: str) -> Path:
        for name, text in (("systemctl", systemctl), ("crontab", crontab)):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\necho {name} \"$*\" >>{tmp_path}/calls\ncat <<'END'\n{text}\nEND\n")
            program.chmod(0o755)
        return tmp_path / "calls"

    return make


def in_unit(monkeypatch: pytest.MonkeyPatch, manager: str) -> None:
    monkeypatch.setattr(kept, "unit_of", lambda _: (manager, "gpuyard-agent.service"))


def test_a_system_unit_is_asked_for_by_one_call(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    in_unit(monkeypatch, "system")
    calls = machine(f"MainPID={os.getpid()}\nUnitFileState=enabled", "")
    assert look(os.getpid()) == Kept(by=KeptBy.SYSTEM_UNIT, after_boot="systemd")
    assert calls.read_text() == "systemctl show --property=MainPID,UnitFileState gpuyard-agent.service\n"
    machine(f"UnitFileState=disabled\nMainPID={os.getpid()}", "")
    found = look(os.getpid())
    assert found is not None
    assert (found.remark(), found.fix) == (
        "not restarted after boot", "`systemctl enable gpuyard-agent.service` there",
    )  # fmt: skip
    machine(f"MainPID={os.getpid()}\nUnitFileState=static", "")
    assert look(os.getpid()) is None, "another unit may start it"


def test_a_user_unit_starts_after_a_boot_where_its_user_lingers(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_unit(monkeypatch, "user")
    calls = machine(f"MainPID={os.getpid()}\nUnitFileState=enabled", "")
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert look(os.getpid()) == Kept(by=KeptBy.USER_UNIT, fix=f"`sudo loginctl enable-linger {user}` there")
    assert calls.read_text() == "systemctl --user show --property=MainPID,UnitFileState gpuyard-agent.service\n"
    (tmp_path / "linger" / user).touch()
    assert look(os.getpid()) == Kept(by=KeptBy.USER_UNIT, after_boot="linger")


def test_in_the_unit_of_something_else_it_is_detached(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge of an sshd without PAM starts a daemon in sshd's own group."""
    in_unit(monkeypatch, "system")
    calls = machine("MainPID=1\nUnitFileState=enabled", "")
    found = look(os.getpid())
    assert found is not None
    assert (found.by, found.remark()) == (KeptBy.DETACHED, "not restarted after boot")
    assert calls.read_text().splitlines()[1:] == ["crontab -l"]
    machine("MainPID=1", "5 4 * * * gpuyard-agent\n@reboot /opt/gpuyard/current/bin/gpuyard-agent serve")
    assert look(os.getpid()) == Kept(by=KeptBy.DETACHED, after_boot="cron")


def test_a_manager_that_does_not_answer_leaves_it_unknown(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    in_unit(monkeypatch, "system")
    machine("", "").with_name("systemctl").write_text("#!/bin/sh\nexit 1\n")
    assert look(os.getpid()) is None
    assert look(1) is None, "a container's own program"


def test_a_trial_is_not_expected_back() -> None:
    argv = [sys.executable, "-S", "-c", "print('up', flush=True); input()", "--simulated", "/x"]
    trial = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert trial.stdout is not None
        assert trial.stdout.readline() == "up\n"
        assert look(trial.pid) is None
    finally:
        trial.communicate("\n")
