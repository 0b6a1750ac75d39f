"""The real program: daemon, bridge and command line as processes, in state directories of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents import wire
from agents.__main__ import build_parser
from agents.framing import FrameReader, encode
from agents.layout import has_unit
from profiles.observed.status import Role

LIMIT_S = 20
AGENT = (sys.executable, "-P", "-m", "agents")


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up, "the condition did not come true"
        time.sleep(0.02)


@dataclass
class Home:
    """A state directory and the processes that a test started on it."""

    state: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*AGENT, *arguments, "--state", str(self.state), "--simulated", str(self.state / "simulated")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
        )
        self.started.append(process)
        return process

    @property
    def daemon_pid(self) -> int:
        """0 while there is none that wrote its number."""
        with suppress(FileNotFoundError, ValueError):
            return int((self.state / "agent.lock").read_text())
        return 0

    def stop_daemon(self) -> None:
        pid = self.daemon_pid
        with suppress(ProcessLookupError):
            if pid and self._is_ours(pid):
                os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not self._is_ours(pid))

    def _is_ours(self, pid: int) -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):
            return os.fsencode(self.state) in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False

    def clean(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()
        self.stop_daemon()


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        (Path(name) / "simulated").mkdir()
        (Path(name) / "simulated" / "devices.json").write_text("[]")
        one = Home(Path(name))
        yield one
        one.clean()


def greet(bridge: subprocess.Popen[bytes]) -> wire.Hello:
    """The agent's Hello, through a bridge."""
    assert bridge.stdin
    assert bridge.stdout
    line = bridge.stdout.readline()
    reader = FrameReader()
    assert reader.frames(line) == [], bridge.stderr and bridge.stderr.read()
    bridge.stdin.write(line + encode(wire.Hello(telemetry=False)))
    bridge.stdin.flush()
    frames: list[wire.AnyFrame] = []
    while not frames:
        data = os.read(bridge.stdout.fileno(), 65536)
        assert data
        frames = reader.frames(data)
    assert isinstance(frames[0], wire.Hello)
    return frames[0]


def test_bridge_starts_a_daemon_that_outlives_it(home: Home) -> None:
    first = home.run("attach")
    assert greet(first).role is Role.ADMIN
    pid = home.daemon_pid
    assert os.getsid(pid) == pid
    first.send_signal(signal.SIGHUP)
    assert first.wait(LIMIT_S) == -signal.SIGHUP
    second = home.run("attach", "--role", "viewer")
    assert greet(second).role is Role.VIEWER
    assert home.daemon_pid == pid


def test_bridge_ends_when_either_side_closes(home: Home) -> None:
    bridge = home.run("attach")
    greet(bridge)
    assert bridge.stdin
    bridge.stdin.close()
    assert bridge.wait(LIMIT_S) == 0
    bridge.stdin = None
    other = home.run("attach")
    greet(other)
    home.stop_daemon()
    assert other.wait(LIMIT_S) == 0
    assert not (home.state / "agent.sock").exists()


def test_a_bridge_that_may_not_start_one_waits_for_who_does(home: Home) -> None:
    bridge = home.run("attach", "--no-start")
    daemon = home.run("serve")
    assert greet(bridge).role is Role.ADMIN
    assert home.daemon_pid == daemon.pid
    assert not (home.state / "agent.log").exists(), "no other was started, detached"


def test_racing_bridges_start_one_daemon(home: Home) -> None:
    bridges = [home.run("attach") for _ in range(4)]
    assert [greet(bridge).role for bridge in bridges] == [Role.ADMIN] * 4
    assert (home.state / "agent.log").read_text().count("serving") == 1


def test_second_daemon_is_refused_and_told_why(home: Home) -> None:
    greet(home.run("attach"))
    second = home.run("serve")
    _, error = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 1
    assert f"pid {home.daemon_pid}".encode() in error
    assert "—".encode() in error
    assert len(error.splitlines()) == 1


def test_daemon_killed_hard_is_replaced(home: Home) -> None:
    greet(home.run("attach"))
    pid = home.daemon_pid
    os.kill(pid, signal.SIGKILL)
    greet(home.run("attach"))
    assert home.daemon_pid != pid


def test_term_ends_the_daemon_cleanly(home: Home) -> None:
    daemon = home.run("serve")
    wait_for(lambda: (home.state / "agent.sock").exists())
    greet(home.run("attach"))
    assert home.daemon_pid == daemon.pid
    daemon.terminate()
    _, said = daemon.communicate(timeout=LIMIT_S)
    assert daemon.returncode == 0, said
    assert b"engines live on" in said
    assert b"Traceback" not in said
    assert not (home.state / "agent.sock").exists()


def test_daemon_that_cannot_start_is_reported(home: Home) -> None:
    (home.state / "desired.json").write_text('{"version": 99, "data": {}}')
    bridge = home.run("attach")
    _, error = bridge.communicate(timeout=LIMIT_S)
    assert bridge.returncode == 1
    assert b"version 99" in error


def test_bridge_imports_the_standard_library_only() -> None:
    code = (
        "import sys, agents.attach, agents.__main__; print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'msgspec', 'asyncio', 'profiles', 'engines', 'h11', 'textual', 'asyncssh', 'yaml', 'rich', 'subprocess'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"[]"


def test_daemon_loads_nothing_of_the_console() -> None:
    unwanted = {"textual", "asyncssh", "yaml", "rich", "console"}
    code = f"import sys, agents.daemon; print(sorted({unwanted} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"[]"


def test_roles_of_the_command_line_are_those_of_the_wire() -> None:
    for role in Role:
        assert build_parser().parse_args(["attach", "--role", role]).role == role


@pytest.mark.parametrize("arguments", [[], ["attach", "--role", "king"], ["dance"]])
def test_usage_errors_are_one_line_and_64(arguments: list[str]) -> None:
    found = subprocess.run([*AGENT, *arguments], capture_output=True, text=True, cwd="/")
    assert found.returncode == 64
    assert len(found.stderr.splitlines()) == 1


def test_version() -> None:
    found = subprocess.run([*AGENT, "version"], capture_output=True, text=True, cwd="/", check=True)
    assert found.stdout.startswith("gpuyard-agent ")


def test_a_bridge_starts_nothing_where_a_unit_keeps_the_daemon(tmp_path: Path) -> None:
    unit = tmp_path / ".config/systemd/user/gpuyard-agent.service"
    assert not has_unit(1000, tmp_path)
    unit.parent.mkdir(parents=True)
    unit.touch()
    assert has_unit(1000, tmp_path)
