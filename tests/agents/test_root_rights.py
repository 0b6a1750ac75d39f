"""By which right an agent changes GPUs: root, a capability, the real sudo, or none; what admin and doctor are told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.doctor import rights
from agents.doctor.subject import Subject
from agents.layout import Layout
from agents.privilege import ways
from agents.privilege.answers import Missing
from agents.privilege.calls import (
    CreateGpuInstance,
    SetMigMode,
    Switch,
    words,
)
from agents.privilege.ways import Host, way
from agents.root.sudoers import NotOurs, sudoers, writable_by_others
from profiles.observed.finding import Finding, Severity

GPU = "GPU-00000000-0000-4000-8000-000000000000"
NOBODY = 65534
MIG_ON = SetMigMode(gpu=GPU, to=Switch.ON)
THREE = CreateGpuInstance(gpu=GPU, profile=9, start=4, size=4)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")


def test_the_ways(tmp_path: Path) -> None:
    bare = Host(uid=NOBODY, program=tmp_path / "program", sudo=tmp_path / "sudo", root=tmp_path)
    refused = way(MIG_ON, bare)
    assert isinstance(refused, Missing)
    assert (refused.right, refused.lasting) == ("root", ways.PAGE)
    assert refused.reason.hint == f"an admin can do it: `sudo nvidia-smi -i {GPU} -mig 1`; for good: {ways.PAGE}"
    (tmp_path / "program").touch()
    (tmp_path / "sudo").touch()
    assert way(MIG_ON, bare) == (str(tmp_path / "sudo"), "-n", "--", str(tmp_path / "program"))
    assert way(MIG_ON, Host(uid=0, root=tmp_path)) == ways.own_child()


def test_who_may_read_the_capability_needs_no_root_for_instances(tmp_path: Path) -> None:
    host = Host(uid=NOBODY, program=tmp_path / "program", sudo=tmp_path / "sudo", root=tmp_path)
    (tmp_path / "proc/driver/nvidia-caps").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia-caps/mig-minors").write_text("config 1\nmonitor 2\ngpu0/gi0/access 3\n")
    refused = way(THREE, host)
    assert isinstance(refused, Missing)
    node = tmp_path / "dev/nvidia-caps/nvidia-cap1"
    assert refused.right == f"root, or to read {node}"
    assert refused.lasting.endswith(f"{node} && sudo chmod 440 {node}")
    node.parent.mkdir(parents=True)
    node.touch()
    assert way(THREE, host) == ways.own_child()
    assert isinstance(way(MIG_ON, host), Missing)


def test_the_line_of_sudoers(tmp_path: Path) -> None:
    there = tmp_path / "gpuyard-agent-root"
    with pytest.raises(NotOurs, match="link this program there"):
        sudoers("ann", there)
    there.touch()
    for user in ("", "ALL", "%wheel", "ann, bob", "#0", "ann\nbob"):
        with pytest.raises(NotOurs, match="no name"):
            sudoers(user, there)


@as_root
def test_a_program_that_others_may_write_gets_no_line(tmp_path: Path) -> None:
    there = tmp_path / "lib" / "gpuyard-agent-root"
    there.parent.mkdir()
    there.touch(mode=0o755)
    below = [place for place in writable_by_others([there]) if place.is_relative_to(tmp_path)]
    assert below == []
    link = tmp_path / "link"
    link.symlink_to(there)
    there.parent.chmod(0o775)
    assert there.parent in list(writable_by_others([link]))
    there.parent.chmod(0o755)
    os.chown(there, NOBODY, NOBODY)
    assert there in list(writable_by_others([link]))
    with pytest.raises(NotOurs, match="can be written by others"):
        sudoers("ann", link)


ASKER = """
import asyncio, encodings.idna, locale, os, subprocess, sys
from pathlib import Path
import msgspec
from agents.doctor import rights
from agents.doctor.subject import Subject
from agents.layout import Layout
from agents.privilege.calls import call_of
from agents.privilege.child import RootChild
from agents.privilege.ways import Host
program, *given = sys.argv[1:]
asyncio.run(asyncio.sleep(0))
os.setgroups([]); os.setgid(65534); os.setuid(65534)
host = Host(program=Path(program))
async def ask():
    return await RootChild(lambda what, author: lambda *said: None, host).do(call_of(given), "")
if given == ["doctor"]:
    outcome = next(rights.look(Subject(Layout(Path("/s"), Path("/k"))), host))
else:
    outcome = asyncio.run(ask())
print(msgspec.json.encode(outcome).decode())
"""


def ask(path: Path, *given: str) -> str:
    argv = [sys.executable, "-P", "-c", ASKER, str(path), *given]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_another_user_through_sudo(granted: Path) -> None:
    assert ask(granted, *words(MIG_ON)) == '{"type":"switched","held_up":0}'
    assert ask(granted, *words(THREE)).startswith('{"type":"created","gi_id":1,"ci_id":0,"uuid":"MIG-')


def test_sudo_that_refuses_is_a_missing_right(installed: Path) -> None:
    said = ask(installed, *words(MIG_ON))
    assert said.startswith('{"type":"missing","right":"root"')
    assert f"sudo {installed} sudoers nobody | sudo tee /etc/sudoers.d/gpuyard" in said


def finding(host: Host) -> Finding:
    (found,) = rights.look(Subject(Layout(Path("/s"), Path("/k"))), host)
    return found


def test_the_doctor_says_what_this_agent_may(tmp_path: Path) -> None:
    assert finding(Host(uid=0, program=tmp_path / "none")).severity is Severity.OK
    found = finding(Host(uid=NOBODY, program=tmp_path / "none", root=tmp_path))
    assert (found.severity, found.seen) == (Severity.INFO, "not root: it changes nothing of GPUs")
    assert found.fix.endswith(ways.PAGE)
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o777)
    assert finding(Host(uid=0, program=tmp_path / "open")).severity is Severity.PROBLEM


def test_the_doctor_asks_sudo(granted: Path) -> None:
    assert '"severity":"ok","seen":"sudo lets this user run' in ask(granted, "doctor")


def test_the_doctor_names_the_line_that_is_missing(installed: Path) -> None:
    said = ask(installed, "doctor")
    assert '"severity":"info"' in said
    assert f"sudo {installed} sudoers nobody | sudo tee" in said
