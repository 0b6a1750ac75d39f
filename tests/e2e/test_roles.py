"""Every request × every role × every way in, decided by the agent: real users, a real socket, a real sshd.

Groups of accounts that every Debian has stand for those of a site: daemon looks, bin operates, games administers.
"""

import grp
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest

from agents import wire
from agents.framing import FrameReader, encode
from engines.control import Act
from engines.devices import Timeslice
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.desired.rollout import Rollout
from profiles.latency.trial import Trial
from profiles.observed.history import HistoryKind
from profiles.observed.mig import MigLayout
from profiles.observed.processes import ProcessKind
from profiles.observed.status import Role
from profiles.plans.waves import Move, Wave
from profiles.revisions.applyjournal import ApplyJournal, ApplyState, Edit
from tests.e2e import sshd
from tests.e2e.sshd import wait_until
from tests.e2e.system_agent import Agent, system_agent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")

USERS = {Role.VIEWER: "daemon", Role.OPERATOR: "bin", Role.ADMIN: "games"}
NOBODY = "nobody"
DOOR = "users"
"""The group that may open the socket."""

ROLES = f"""
gpuyard = 1
group = "{DOOR}"
label_accounts = ["bin"]
[roles]
daemon = "viewer"
bin = "operator"
games = "admin"
"""
BESIDE = Path(__file__).with_name("other_user.py")


def edit(**more: object) -> wire.SetDesired:
    """Of an instance that is never started."""
    base: dict[str, object] = {"name": "a/0", "service": "a", "engine": "simulated", "model": "m"}
    spec = InstanceSpec(**(base | {"wanted": Wanted.STOPPED} | more))  # type: ignore[arg-type]
    owned = DesiredInstance(profile="p", revision=1, spec=spec)
    return wire.SetDesired(expected_generation=10**6, instances={"a/0": owned}, author="", reason="matrix")


def journal(**more: object) -> ApplyJournal:
    """Of an apply of the same."""
    wave = Wave(moves=(Move(node="n", instance="a/0"),))
    return ApplyJournal(id="x1", profile="p", title="p r1", author="", reason="", rollout=Rollout(), waves=(wave,),
                        nodes=("n",), edits={"n": Edit(after=edit(**more).instances)})  # fmt: skip


OFF = MigLayout(mode=False)
MATRIX: tuple[tuple[wire.AnyAsk, Role], ...] = (
    (wire.ReadHistory(kind=HistoryKind.HOST, names=(), fields=(), from_unix_s=0.0, step_s=10.0), Role.VIEWER),
    (wire.ReadSpent(last_s=3600.0, parts=2), Role.VIEWER),
    (wire.ReadRevisions(), Role.VIEWER),
    (wire.ReadRevision(generation=1), Role.VIEWER),
    (wire.ReadAnchor(seq=1), Role.VIEWER),
    (wire.ListProcesses(), Role.VIEWER),
    (wire.SelfCheck(), Role.OPERATOR),
    (wire.SelfCheck(files=True), Role.ADMIN),
    (wire.ReadLog(instance="a/0"), Role.OPERATOR),
    (wire.VerifyAudit(), Role.OPERATOR),
    (wire.ReleaseLease(token=10**6), Role.OPERATOR),
    (edit(), Role.OPERATOR),
    (edit(options={"program": "/bin/true"}), Role.ADMIN),
    (edit(env={"A": "b"}), Role.ADMIN),
    (wire.TakeLease(purpose="matrix", ttl_s=5.0, token=10**6), Role.OPERATOR),
    (wire.TakeLease(purpose="matrix", ttl_s=5.0, force=True), Role.ADMIN),
    (wire.NoteBudget(kind="owner", name="lab", microusd_day=2, budget_microusd_day=1), Role.VIEWER),
    (wire.NoteShell(began_ago_s=2, ended_ago_s=1, status=0), Role.VIEWER),
    (wire.Terminate(pid=1, start_ticks=1, kind=ProcessKind.ORPHAN, token=10**6), Role.ADMIN),
    (wire.Smoke(instance="none"), Role.OPERATOR),
    (wire.StartTrial(instance="none", trial=Trial(), token=10**6), Role.OPERATOR),
    (wire.ReadTrial(name="none"), Role.VIEWER),
    (wire.StopTrial(name="none", token=10**6), Role.OPERATOR),
    (wire.ListTrials(), Role.VIEWER),
    (wire.PlanLayout(gpu="GPU-none"), Role.OPERATOR),
    (wire.ApplyLayout(gpu="GPU-none", expected=OFF, wanted=OFF, token=10**6), Role.ADMIN),
    (wire.SettleLayout(gpu="GPU-none", token=10**6), Role.ADMIN),
    (wire.ReadLayouts(), Role.VIEWER),
    (wire.ChangeTimeslice(gpu="GPU-none", to=Timeslice.SHORT, token=10**6), Role.ADMIN),
    (wire.ControlEngine(instance="none", act=Act.FLUSH_CACHE, token=10**6), Role.OPERATOR),
    (wire.SetTag(profile="p", tag="t", number=1, token=10**6), Role.OPERATOR),
    (wire.ListRuntimes(), Role.VIEWER),
    (wire.CheckRuntimes(), Role.OPERATOR),
    (wire.AddRuntime(requirement="none", token=10**6), Role.ADMIN),
    (wire.ReadMaking(name="none"), Role.VIEWER),
    (wire.StopMaking(name="none", token=10**6), Role.ADMIN),
    (wire.BeginApply(node="n", journal=journal(), token=10**6), Role.OPERATOR),
    (wire.BeginApply(node="n", journal=journal(options={"program": "/bin/true"}), token=10**6), Role.ADMIN),
    (wire.NoteApply(profile="none", id="none", state=ApplyState.PAUSED, token=10**6), Role.OPERATOR),
    (wire.ReadApplies(), Role.VIEWER),
    (wire.RemoveRuntime(name="none", token=10**6), Role.ADMIN),
    (wire.ReadMeasurements(), Role.VIEWER),
)


@dataclass
class Console:
    """The protocol over the pipes of a process."""

    process: "subprocess.Popen[bytes]"
    frames: FrameReader = field(default_factory=FrameReader)
    seen: list[wire.AnyFrame] = field(default_factory=list)
    number: int = 0

    def greet(self) -> wire.Hello | wire.Failure:
        assert self.process.stdin
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert self.frames.frames(line) == [], self.process.stderr and self.process.stderr.read()
        self._write(line + encode(wire.Hello(telemetry=False)))
        found = self._next()
        assert isinstance(found, wire.Hello | wire.Failure)
        return found

    def ask(self, body: wire.AnyAsk) -> str:
        """The code of the refusal; "" for an answer. There are more requests than one may make at once."""
        while True:
            self.number += 1
            self._write(encode(wire.Request(id=self.number, body=body)))
            found = self._next()
            assert isinstance(found, wire.Reply | wire.Failure)
            if isinstance(found, wire.Reply):
                return ""
            if "requests a second" not in found.message or found.retry_after_s is None:
                return found.code
            time.sleep(found.retry_after_s)

    def _write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def _next(self) -> wire.AnyFrame:
        assert self.process.stdout
        while not self.seen:
            data = self.process.stdout.read1(65536)  # type: ignore[attr-defined]  # Popen's pipes are buffered
            assert data, self.process.stderr and self.process.stderr.read()
            self.seen += self.frames.frames(data)
        return self.seen.pop(0)


@contextmanager
def console(*argv: str) -> Iterator[Console]:
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd="/") as process:
        try:
            yield Console(process)
        finally:
            process.kill()


def as_user(name: str, *words: str, group: str = DOOR) -> tuple[str, ...]:
    entry = pwd.getpwnam(name)
    gid = grp.getgrnam(group).gr_gid if group else 0
    return (sys.executable, "-P", str(BESIDE), str(entry.pw_uid), str(entry.pw_gid), str(gid), *words)


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    with system_agent(DOOR, ROLES) as found:
        yield found


def decided(one: Console, role: Role) -> None:
    """The whole matrix on one connection."""
    hello = one.greet()
    assert isinstance(hello, wire.Hello)
    assert hello.role is role
    for ask, needed in MATRIX:
        code = one.ask(ask)
        assert (code == "denied") == (role.rank < needed.rank), f"{role}: {ask} gave {code!r}, it needs {needed}"


def test_the_matrix_is_whole() -> None:
    assert {type(ask) for ask, _ in MATRIX} == set(get_args(wire.AnyAsk))


@pytest.mark.parametrize("role", list(Role))
def test_by_the_socket_the_account_decides(agent: Agent, role: Role) -> None:
    with console(*as_user(USERS[role], "socket", str(agent.socket))) as one:
        decided(one, role)


@pytest.mark.parametrize("role", list(Role))
def test_by_the_bridge_too(agent: Agent, role: Role) -> None:
    with console(*as_user(USERS[role], "agent", *agent.bridge)) as one:
        decided(one, role)


@pytest.mark.parametrize(
    ("held", "asked"), [(Role.ADMIN, Role.VIEWER), (Role.ADMIN, Role.OPERATOR), (Role.VIEWER, Role.ADMIN)]
)
def test_the_bridge_lowers_and_never_raises(agent: Agent, held: Role, asked: Role) -> None:
    with console(*as_user(USERS[held], "agent", *agent.bridge, "--role", asked)) as one:
        decided(one, min(held, asked, key=lambda role: role.rank))


@pytest.mark.parametrize("role", list(Role))
def test_a_forced_command_decides_whatever_the_login_asks_for(agent: Agent, tmp_path: Path, role: Role) -> None:
    with sshd.host(tmp_path) as host:
        key = host.login_key.with_suffix(".pub").read_text()
        words = " ".join((*agent.bridge, "--role", role, "--as", "ann"))
        command = f"{sys.executable} -P -m agents {words}"
        (host.folder / "authorized").write_text(f'restrict,command="cd / && {command}" {key}')
        ssh = ["ssh", "-T", "-F", "none", "-p", str(host.port), "-i", str(host.login_key), "-o", "BatchMode=yes",
               "-o", f"UserKnownHostsFile={host.home}/.ssh/known_hosts", "root@127.0.0.1"]  # fmt: skip
        with console(*ssh, f"{command} --role admin; sh") as one:
            decided(one, role)
    if role is Role.VIEWER:
        return  # what he was denied may only be counted
    audit = b"".join(path.read_bytes() for path in (agent.folder / "state" / "audit").glob("*.jsonl"))
    assert b'"way":"forced","label":"ann","address":"127.0.0.1"' in audit


@pytest.mark.parametrize("group", [DOOR, ""])
def test_who_has_no_role_has_nothing(agent: Agent, group: str) -> None:
    with console(*as_user(NOBODY, "socket", str(agent.socket), group=group)) as one:
        if not group:  # the door is shut by the socket's mode
            assert one.process.wait(20) != 0
            return
        failure = one.greet()
        assert isinstance(failure, wire.Failure)
        assert failure.code == "denied"


def test_rights_that_are_taken_away_end_on_open_connections(agent: Agent) -> None:
    change = edit()
    with console(*as_user(USERS[Role.OPERATOR], "socket", str(agent.socket))) as one:
        one.greet()
        assert one.ask(change) != "denied"
        try:
            agent.roles.write_text(ROLES.replace('bin = "operator"', 'bin = "viewer"'))
            assert (one.ask(change), one.ask(wire.ReadRevisions())) == ("denied", "")
            agent.roles.write_text(ROLES.replace('bin = "operator"', ""))
            assert one.ask(wire.ReadRevisions()) == "denied"
            agent.roles.chmod(0o666)
            assert one.ask(wire.ReadRevisions()) == "denied"
        finally:
            agent.roles.chmod(0o644)
            agent.roles.write_text(ROLES)


def test_an_agent_without_root_is_its_users_alone() -> None:
    owner = pwd.getpwnam("daemon")
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        folder = Path(name)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        socket = folder / "s" / "agent.sock"
        argv = as_user("daemon", "agent", "serve", "--state", str(folder / "s"), group="")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, cwd="/")
        try:
            wait_until(socket.exists, 20, "the agent listens")
            assert socket.stat().st_uid == owner.pw_uid
            with console(*as_user("daemon", "socket", str(socket), group="")) as one:
                decided(one, Role.ADMIN)
            with console(sys.executable, "-P", str(BESIDE), "0", "0", "0", "socket", str(socket)) as root:
                hello = root.greet()
                assert isinstance(hello, wire.Hello)
                assert hello.role is Role.ADMIN
            with console(*as_user("bin", "socket", str(socket))) as other:
                assert other.process.wait(20) != 0
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            process.wait(20)
