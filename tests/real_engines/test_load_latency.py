"""The windowed TTFT p95 of a load run on vLLM is, within its bucket, what the clients' own clocks say."""

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from agents.processes import process
from tests.real_engines import node as nodes
from tests.real_engines import traffic
from tests.real_engines.node import Node
from tests.real_engines.served import Served
from tests.real_engines.test_end_to_end import write_profile

pytestmark = pytest.mark.engines

CLIENTS, TOKENS = 8, 24
"""Twice as many clients as vLLM takes at a time: half of what a request waits is in its queue."""
LOAD_S = 15.0
"""All of it has to be in one window of a minute, on a slow machine too."""
ON_THE_WAY_S = 0.1
"""Between the client's clock and the engine's: connecting, reading, tokenizing, the first bytes back."""
BOUNDS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with nodes.running(tmp_path) as running:
        yield running


def first_token_s(port: int, at: int) -> float:
    """By our clock, from before the connection is made to the first piece of the answer."""
    body = {"model": "tiny", "prompt": f"tale {at} " * 40, "max_tokens": TOKENS, "stream": True, "ignore_eos": True}
    began_s = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.readline().startswith(b"data: {")
        taken_s = time.monotonic() - began_s
        answer.read()
        return taken_s
    finally:
        connection.close()


def test_the_window_agrees_with_the_clients(node: Node, vllm: Served, tmp_path: Path) -> None:
    port = process.free_port()
    options = vllm.options | {"custom_histogram_buckets": {"time_to_first_token": BOUNDS_S}}
    profile = write_profile(tmp_path / "tiny.yaml", {"dummy": (vllm, port)}, options=options)
    node.run("apply", "-f", str(profile), "--yes")
    traffic.until(lambda: node.instances()["dummy/0"].get("reading"), 30.0, "a scrape to count from")
    told_s = [first_token_s(port, 0)]  # the first one makes ready what the others find
    until_s = time.monotonic() + LOAD_S

    def ask(client: int) -> list[float]:
        own_s: list[float] = []
        while time.monotonic() < until_s:
            own_s.append(first_token_s(port, client + CLIENTS * len(own_s)))
        return own_s

    with ThreadPoolExecutor(CLIENTS) as pool:
        told_s += [one_s for own_s in pool.map(ask, range(1, CLIENTS + 1)) for one_s in own_s]
    asked = len(told_s)

    def all_counted() -> dict[str, Any] | None:
        found: dict[str, Any] | None = (node.instances()["dummy/0"].get("reading") or {}).get("ttft")
        return found if found and found["count"] >= asked else None

    counted = traffic.until(all_counted, 30.0, "the window holds every request")
    probes = round(counted["count"]) - asked
    assert probes <= 2, "whatever the agent asked by itself, alone and so at once"
    told_s, found = sorted([0.0] * probes + told_s), counted["p95"]
    ours_s = told_s[math.ceil(0.95 * len(told_s)) - 1]
    low_s, high_s = found["low_s"], found["high_s"]
    assert low_s == 0 or (low_s in BOUNDS_S and high_s in BOUNDS_S), "shown as the bucket that it is"
    assert low_s <= ours_s, (counted, told_s)
    assert ours_s - ON_THE_WAY_S <= high_s, (counted, told_s)
    node.run("stop", "dummy/0", "--yes")
