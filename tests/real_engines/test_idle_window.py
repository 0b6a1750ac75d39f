"""Where the requests in the window of an engine come from that nobody asks: the agent's own question, every 45 s."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.instances.liveness import Pace
from agents.processes import process
from tests.real_engines import node as nodes
from tests.real_engines import traffic
from tests.real_engines.node import Node
from tests.real_engines.served import Served
from tests.real_engines.test_end_to_end import write_profile

pytestmark = pytest.mark.engines


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with nodes.running(tmp_path) as running:
        yield running


def counted(port: int) -> float:
    """By vLLM itself, since it began."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:time_to_first_token_seconds_count"))


def test_an_idle_engine_has_the_agents_own_question_in_its_window(node: Node, vllm: Served, tmp_path: Path) -> None:
    port = process.free_port()
    node.run("apply", "-f", str(write_profile(tmp_path / "tiny.yaml", {"dummy": (vllm, port)})), "--yes")
    begun = counted(port)
    traffic.until(lambda: counted(port) > begun or None, 90.0, "it is asked once by the agent")
    first_s = time.monotonic()
    traffic.until(lambda: counted(port) > begun + 1 or None, 90.0, "and again")
    assert time.monotonic() - first_s == pytest.approx(Pace().idle_after_s, abs=10), "no oftener"
    assert counted(port) == begun + 2, "and by nobody else"

    def told() -> float:
        reading = node.instances()["dummy/0"].get("reading") or {}
        return float((reading.get("ttft") or {}).get("count") or 0)

    traffic.until(lambda: 0 < told() <= 2 or None, 15.0, "a minute holds one of them, or two")
    node.run("stop", "dummy/0", "--yes")
