"""The parts of `serve --replace` that need no second build; tests/faults/test_upgrade.py has the rest."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import replacing
from agents.layout import Layout
from agents.replacing import CannotReplace, Daemon, described, holder, successor


@pytest.fixture
def layout() -> Iterator[Layout]:
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        found = Layout.find(state=Path(name) / "s")
        yield found
        if pid := holder(found):
            pidfd = os.pidfd_open(pid)
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            assert select.select([pidfd], [], [], 20)[0]
            os.close(pidfd)


def test_where_none_runs_one_is_started(layout: Layout) -> None:
    assert holder(layout) is None
    argv = [sys.executable, "-P", "-m", "agents", "serve", "--replace", "--state", str(layout.state)]
    argv += ["--simulated", str(layout.state)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd="/", timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert str(layout.socket) in done.stdout
    pid = holder(layout)
    assert pid is not None
    words = described(pid).argv
    assert words[words.index("serve") + 1 :][:2] == ("--state", str(layout.state))
    assert "--replace" not in words


def test_one_that_cannot_start_leaves_nothing(layout: Layout) -> None:
    with pytest.raises(CannotReplace, match="ended with 64"):
        replacing.replace(layout, ["--no-such-option"])
    assert holder(layout) is None


def test_a_daemon_of_systemd_is_left_to_it() -> None:
    argv = ["sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec sh -c "echo started; sleep 60"']
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        with pytest.raises(CannotReplace, match="kept by systemd") as refused:
            described(process.pid)
        process.kill()
    assert "systemctl restart" in refused.value.hint


def test_the_successor_has_the_words_and_the_environment_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/new")
    old = Daemon(("/old/python", "-m", "agents", "serve", "--state", "/s"), {"A": "1", "PYTHONPATH": "/old"}, "/x")
    new = successor(old)
    assert new.argv == (sys.executable, "-P", "-m", "agents", "serve", "--state", "/s")
    assert (new.environ["A"], new.environ["PYTHONPATH"], new.cwd) == ("1", "/new", "/x")
