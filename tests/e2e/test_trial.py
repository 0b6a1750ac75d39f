"""`gpuyard smoke` and `bench` over a real sshd, against a simulated engine."""

import json

from tests.e2e.sshd import Host

RUN = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")


def test_an_engine_is_tried_from_its_own_node(host: Host) -> None:
    assert host.console("run", "chat", *RUN).returncode == 0
    done = host.console("smoke", "chat/0")
    assert done.returncode == 0, done.stderr
    assert "first token after" in done.stdout
    words = ("--concurrency", "1,2", "--requests", "4", "--answer-tokens", "4")
    done = host.console("bench", "chat/0", *words)
    assert done.returncode == 0, done.stderr
    assert "At once" in done.stdout
    assert "TTFT p95" in done.stdout
    done = host.console("bench", "chat/0", *words, "--json")
    levels = json.loads(done.stdout)["items"]
    assert [(one["concurrency"], one["requests"], one["failed"]) for one in levels] == [(1, 4, 0), (2, 4, 0)]
    kept = json.loads(host.console("bench", "chat/0", "--list", "--json").stdout)["items"]
    assert [len(one["levels"]) for one in kept] == [2, 2]
    assert {one["generation"] for one in kept} == {1}
    assert host.console("bench", "chat/0", "--read-only").returncode == 1


def test_what_does_not_serve_is_not_tried(host: Host) -> None:
    assert host.console("run", "chat", *RUN).returncode == 0
    assert host.console("stop", "chat/0", "--yes").returncode == 0
    for verb in ("smoke", "bench"):
        done = host.console(verb, "chat/0")
        assert (done.returncode, "chat/0 does not serve" in done.stderr) == (1, True), done.stderr
    assert host.console("bench", "chat/0", "--concurrency", "0").returncode == 64
