"""Sleep and wake over a real sshd: the memory is back, nothing is placed on the share, and it serves again."""

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done, gpuyard, items


def chat(host: Host) -> dict[str, Any]:
    return next(one for one in items(host, "instances") if one["name"] == "chat/0")


def used_mib(host: Host) -> int:
    found: int = items(host, "gpus")[0]["memory_used_mib"]
    return found


def test_a_sleeping_engine_gives_its_memory_back_outlives_the_agent_and_serves_again(host: Host, gpus: Path) -> None:
    words = ("--engine", "simulated", "--model", "tiny", "--gpus", "here/0", "--option", "load_seconds=0.1")
    wait_until(lambda: len(items(host, "gpus")) == 2, 20, "the agent that was just started reads its GPUs")
    done(host, "run", "chat", *words, "--yes")
    pid = chat(host)["pid"]
    wait_until(lambda: used_mib(host) == 32_000, 20, "the engine has its memory")
    done(host, "flush-cache", "chat/0")
    assert "z sleep    chat/0  on here" in done(host, "sleep", "chat", "--yes")
    assert (chat(host)["phase"], chat(host)["pid"]) == ("sleeping", pid)
    wait_until(lambda: used_mib(host) == 0, 20, "the memory is back")
    late = gpuyard(host, "run", "other", *words, "--yes")
    assert late.returncode == 1, "its share stays its own"
    assert gpuyard(host, "flush-cache", "chat/0").returncode == 1
    os.kill(int((host.state / "agent.lock").read_text()), signal.SIGKILL)
    wait_until(lambda: chat(host)["phase"] == "sleeping" and chat(host)["pid"] == pid, 20, "the next agent found it")
    done(host, "wake", "chat", "--yes")
    assert (chat(host)["phase"], chat(host)["pid"]) == ("ready", pid)
    body = json.dumps({"model": "tiny", "prompt": "hello", "max_tokens": 2}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{chat(host)['port']}/v1/completions", body, timeout=20) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 2
    wait_until(lambda: used_mib(host) == 32_000, 20, "the engine has its memory")


def test_an_engine_without_sleep_says_why(host: Host, gpus: Path) -> None:
    words = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1")
    done(host, "run", "chat", *words, "--option", "enable_sleep_mode=false", "--yes")
    refused = gpuyard(host, "sleep", "chat", "--yes")
    assert refused.returncode == 1
    assert "needs the option `enable_sleep_mode`" in refused.stderr
