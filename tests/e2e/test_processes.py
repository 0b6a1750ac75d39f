"""`gpuyard processes` and `terminate` over a real sshd, with a real orphan."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from agents.processes import tree
from tests.e2e.sshd import Host, wait_until

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def orphan(host: Host) -> Iterator[int]:
    """Marked as of an instance of this host's agent that it never heard of; deaf to SIGTERM."""
    env = {tree.MARKER: "ghost/0", tree.MARKER_STATE: str(host.state)}
    argv = [sys.executable, "-S", "-c", DEAF, "--token", "canary"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process.pid
        process.kill()


def listed(host: Host, *words: str) -> list[dict[str, Any]]:
    done = host.console("processes", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found


def test_an_orphan_is_listed_shown_and_ended(host: Host, orphan: int) -> None:
    [one] = listed(host, "--orphans")
    assert (one["node"], one["pid"], one["kind"], one["instance"]) == ("here", orphan, "orphan", "ghost/0")
    assert "canary" not in one["command"]
    page = host.console("describe", "process", f"here/{orphan}").stdout
    assert "× orphan   left behind by an instance that does not run" in page
    assert "Holds" not in page
    unsure = host.console("terminate", f"here/{orphan}")
    assert unsure.returncode == 1
    assert f"here/{orphan} python" in unsure.stderr
    assert "holds no GPU" in unsure.stderr
    assert [found["pid"] for found in listed(host)] == [orphan]
    assert host.console("terminate", f"here/{orphan}", "--yes", "--read-only").returncode == 1
    done = host.console("terminate", f"here/{orphan}", "--yes")
    assert (done.returncode, f"here/{orphan} is gone" in done.stderr) == (0, True), done.stderr
    assert listed(host) == []
    assert host.console("audit", "verify").returncode == 0
    audit = "".join(path.read_text() for path in (host.state / "audit").glob("*.jsonl"))
    assert f"orphan process {one['name']} ({one['user']}, {orphan}) was terminated" in audit


def test_an_engine_is_told_from_what_can_be_ended(host: Host) -> None:
    words = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")
    assert host.console("run", "one", *words).returncode == 0
    [one] = listed(host, "--node", "here")
    assert (one["kind"], one["instance"]) == ("ours", "one/0")
    assert listed(host, "--orphans") == []
    unsure = host.console("terminate", f"here/{one['pid']}")
    assert unsure.returncode == 1
    assert "Of one/0, which runs: it loses 0 requests in flight and is started anew" in unsure.stderr
    assert host.console("terminate", "here/1", "--yes").returncode == 1
    assert host.console("terminate", "nowhere/1", "--yes").returncode == 64
    assert host.console("terminate", "1").returncode == 64
    [share] = json.loads(host.console("processes", "--by", "user", "--json").stdout)["items"]
    assert (share["processes"], share["nodes"], share["gpus"], share["orphans"]) == (1, ["here"], 0, 0)
    assert host.console("stop", "one", "--yes").returncode == 0


def test_a_viewer_sees_no_arguments_and_an_operator_ends_nothing(host: Host, orphan: int) -> None:
    program = host.agent.read_text().removeprefix("#!/bin/sh\n").strip()
    host.write_agent(f"{program} --role viewer")
    [one] = listed(host)
    assert (one["pid"], one.get("command", "")) == (orphan, "")
    host.write_agent(f"{program} --role operator")
    done = host.console("terminate", f"here/{orphan}", "--yes")
    assert done.returncode == 1
    assert "it needs the role admin" in done.stderr
    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: listed(host) == [], 10, "it is gone")
