"""`gpuyard-agent metrics` against a daemon of its own."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.layout import Layout
from agents.replacing import holder
from engines.prometheus import Page
from profiles.watching.metrics import FAMILIES


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


def agent(layout: Layout, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-P", "-m", "agents", *words, "--state", str(layout.state)]
    return subprocess.run(argv, capture_output=True, text=True, cwd="/", timeout=50, check=False)


def test_it_says_what_its_daemon_knows(layout: Layout) -> None:
    assert agent(layout, "serve", "--replace", "--simulated", str(layout.state)).returncode == 0
    done = agent(layout, "metrics")
    assert done.returncode == 0, done.stderr
    found = Page(done.stdout, [family.name for family in FAMILIES])
    assert found.total("gpuyard_node_up") == 1.0
    memory_bytes = found.total("gpuyard_node_memory_bytes")
    assert memory_bytes is not None
    assert memory_bytes > 1 << 20


def test_without_a_daemon_it_says_so_and_starts_none(layout: Layout) -> None:
    done = agent(layout, "metrics")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no daemon listens" in done.stderr
    assert holder(layout) is None
