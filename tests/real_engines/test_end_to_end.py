"""Apply a file over OpenSSH, serve with real engines, read what they do, stop, find nothing left."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from agents.processes import process
from tests.real_engines import node as nodes
from tests.real_engines import traffic
from tests.real_engines.node import Node
from tests.real_engines.served import Served

pytestmark = pytest.mark.engines
QUICK = {"soak": "0s", "on_failure": "pause"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with nodes.running(tmp_path) as running:
        yield running


def write_profile(path: Path, services: dict[str, tuple[Served, int]], **changes: Any) -> Path:
    """One instance a service, on the port given; `changes` replace fields of every service."""
    described = {
        name: {
            "engine": served.engine,
            "model": str(served.model),
            "port": port,
            "options": served.options,
            "env": served.env,
        }
        | changes
        for name, (served, port) in services.items()
    }
    path.write_text(yaml.safe_dump({"gpuyard": 1, "profile": "tiny", "rollout": QUICK, "services": described}))
    return path


def phase(node: Node, name: str) -> str:
    return str(node.instances().get(name, {}).get("phase", ""))


def busy_reading(node: Node, name: str, port: int, model: str) -> dict[str, Any]:
    """Traffic until the instance's reading shows generated tokens."""

    def ask() -> dict[str, Any] | None:
        traffic.stream(port, model, 200)
        reading: dict[str, Any] = node.instances()[name].get("reading") or {}
        return reading if (reading.get("generation_tok_s") or 0) > 0 else None

    return traffic.until(ask, 60.0, f"{name} shows tokens per second")


def test_both_engines_from_file_to_nothing_left(node: Node, llama_cpp: Served, vllm: Served, tmp_path: Path) -> None:
    ports = {"small": process.free_port(), "dummy": process.free_port()}
    profile = write_profile(
        tmp_path / "tiny.yaml", {"small": (llama_cpp, ports["small"]), "dummy": (vllm, ports["dummy"])}
    )
    node.run("apply", "-f", str(profile), "--yes", "--no-wait")
    seen: set[str] = set()

    def both_ready() -> bool:
        phases = {name: row["phase"] for name, row in node.instances().items()}
        seen.add(phases.get("dummy/0", ""))
        return phases == {"small/0": "ready", "dummy/0": "ready"}

    traffic.until(both_ready, 180.0, "both engines are ready")
    assert {"loading", "ready"} <= seen

    small = busy_reading(node, "small/0", ports["small"], "tiny")
    assert not small.get("ttft")
    assert small["absent"]["ttft"] == "llama.cpp measures no latency distribution"
    dummy = busy_reading(node, "dummy/0", ports["dummy"], "tiny")
    assert "ttft" not in dummy.get("absent", {})
    for quantity in ("ttft", "itl"):
        found = dummy[quantity]
        assert found, f"vLLM gave no {quantity} of the last window"
        assert found["count"] > 0
        assert 0 <= found["p95"]["low_s"] <= found["p95"]["high_s"]

    assert "model loaded" in node.run("logs", "small/0")
    assert "Application startup complete" in node.run("logs", "dummy/0")

    engines = [node.instances()[name]["pid"] for name in ("small/0", "dummy/0")]
    trees = [child.pid for pid in engines for child in psutil.Process(pid).children(recursive=True)]
    node.run("stop", "small/0", "dummy/0", "--yes")
    assert {phase(node, name) for name in ("small/0", "dummy/0")} == {"stopped"}
    assert not [pid for pid in (*engines, *trees) if psutil.pid_exists(pid)]
    assert all(process.port_is_free(port) for port in ports.values())


def test_a_killed_vllm_is_cleared_away_and_started_again(node: Node, vllm: Served, tmp_path: Path) -> None:
    port = process.free_port()
    profile = write_profile(tmp_path / "tiny.yaml", {"dummy": (vllm, port)})
    node.run("apply", "-f", str(profile), "--yes")
    first = psutil.Process(node.instances()["dummy/0"]["pid"])
    orphans = [child.pid for child in first.children(recursive=True)]
    assert orphans

    os.kill(first.pid, signal.SIGKILL)
    traffic.until(lambda: not any(map(psutil.pid_exists, orphans)), 20.0, "the orphans are gone")
    traffic.until(lambda: phase(node, "dummy/0") == "ready", 180.0, "vLLM serves again")
    again = node.instances()["dummy/0"]
    assert again["pid"] != first.pid
    assert again["restarts"] == 1

    node.run("stop", "dummy/0", "--yes")
    assert process.port_is_free(port)


def test_a_missing_model_fails_with_its_reason(node: Node, llama_cpp: Served, tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere.gguf")
    profile = write_profile(tmp_path / "tiny.yaml", {"small": (llama_cpp, process.free_port())}, model=missing)
    node.run("apply", "-f", str(profile), "--yes", expect=6)
    row = node.instances()["small/0"]
    assert row["phase"] == "failed"
    assert missing in row["reason"]["text"]


def test_a_file_that_is_no_model_says_so_in_the_engines_words(node: Node, llama_cpp: Served, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"this is not a model")
    profile = write_profile(tmp_path / "tiny.yaml", {"small": (llama_cpp, process.free_port())}, model=str(broken))
    node.run("apply", "-f", str(profile), "--yes", "--no-wait")

    def ended() -> str:
        row = node.instances()["small/0"]
        return str(row["reason"]["text"]) if row["phase"] == "failed" else ""

    assert "damaged, or no model" in traffic.until(ended, 30.0, "the engine ends by itself")
    traffic.until(lambda: "failed to load model" in node.run("logs", "small/0"), 30.0, "its log says so")


def test_a_port_in_use_is_refused_before_the_engine_runs(node: Node, llama_cpp: Served, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        profile = write_profile(tmp_path / "tiny.yaml", {"small": (llama_cpp, port)})
        node.run("apply", "-f", str(profile), "--yes", expect=6)
        row = node.instances()["small/0"]
    assert row["phase"] == "failed"
    assert str(port) in row["reason"]["text"]
