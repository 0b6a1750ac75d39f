"""What a daemon tells Prometheus of its machine: by `gpuyard-agent metrics`, and on loopback where agent.toml asks."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
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


def served(place: str) -> Page | None:
    """None while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{place}/metrics", timeout=10) as told:
            return Page(told.read().decode(), [family.name for family in FAMILIES])
    except OSError:
        return None


def waited_for(holds: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def troubles(layout: Layout) -> float | None:
    done = agent(layout, "metrics")
    return Page(done.stdout, ["gpuyard_node_troubles"]).total("gpuyard_node_troubles")


def test_it_listens_on_loopback_while_agent_toml_asks(layout: Layout) -> None:
    """The place is taken at first; then it is ours, and is given up when the file asks for what is refused."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        layout.make()
        layout.settings.write_text(f'gpuyard = 1\nmetrics = "{place}"\n')
        assert agent(layout, "serve", "--replace", "--simulated", str(layout.state)).returncode == 0
        waited_for(lambda: troubles(layout) == 1.0)
    waited_for(lambda: served(place) is not None)
    found = served(place)
    assert found is not None
    assert found.total("gpuyard_node_up") == 1.0
    waited_for(lambda: troubles(layout) == 0.0)
    layout.settings.write_text('gpuyard = 1\nmetrics = "0.0.0.0:9401"\n')
    waited_for(lambda: served(place) is None)
    assert troubles(layout) == 1.0
