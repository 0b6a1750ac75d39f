"""`gpuyard runtime` over a real sshd, and an engine that runs from an environment made by it."""

import json
import os
from pathlib import Path

from agents.processes import tree
from tests.e2e.sshd import Host
from tests.fakes.wheels import wheel


def test_an_engine_runs_from_the_environment_that_was_made_for_it(host: Host) -> None:
    wheels = wheel(host.folder / "wheels", "vllm", "0.32.0").parent
    done = host.console("runtime", "add", "vllm==0.32.0", "--wheels", str(wheels))
    assert (done.returncode, "--yes" in done.stderr) == (1, True)
    done = host.console("runtime", "add", "vllm==0.32.0", "--wheels", str(wheels), "--yes")
    assert done.returncode == 0, done.stderr
    assert "Successfully installed vllm-0.32.0" in done.stderr
    (item,) = json.loads(host.console("runtime", "list", "--json").stdout)["items"]
    assert (item["name"], item["version"], item["made"], item["problem"]) == ("vllm-0.32.0", "0.32.0", True, None)
    done = host.console("run", "chat", "--engine", "vllm", "--model", "org/m", "--runtime", "vllm-0.32.0", "--yes")
    assert done.returncode == 0, done.stderr
    (engine,) = [pid for pid in tree.everyone() if (tree.marked(pid) or ("", ""))[1] == str(host.state)]
    words = Path(f"/proc/{engine}/cmdline").read_bytes().split(b"\0")
    assert os.fsencode(host.state / "runtimes/vllm-0.32.0/bin/vllm") in words
    shown = host.console("describe", "instance", "chat/0").stdout
    assert "vllm-0.32.0   version 0.32.0" in shown
    done = host.console("runtime", "remove", "vllm-0.32.0", "--yes")
    assert (done.returncode, "is used by chat/0" in done.stderr) == (1, True), done.stderr
    assert host.console("down", "adhoc", "--yes").returncode == 0
    done = host.console("runtime", "remove", "vllm-0.32.0")
    assert (done.returncode, "--yes" in done.stderr) == (1, True)
    assert host.console("runtime", "remove", "vllm-0.32.0", "--yes").returncode == 0
    assert list((host.state / "runtimes").iterdir()) == []
    assert "runtime vllm-0.32.0 was removed" in host.console("events").stdout


def test_a_runtime_that_is_not_whole_is_named(host: Host) -> None:
    (host.state / "agent.toml").parent.mkdir(parents=True, exist_ok=True)
    (host.state / "agent.toml").write_text('[runtimes.a]\nengine = "vllm"\nvenv = "/nowhere"\n')
    done = host.console("runtime", "list")
    assert done.returncode == 0, done.stderr
    assert "/nowhere/bin/vllm is not there" in done.stdout
    assert host.console("runtime", "check").returncode == 1
    done = host.console("runtime", "check", "other")
    assert (done.returncode, "has a runtime other" in done.stderr) == (1, True)
    done = host.console("run", "chat", "--engine", "vllm", "--model", "org/m", "--yes")
    assert done.returncode != 0
    assert "runtime a: /nowhere/bin/vllm is not there" in done.stderr + done.stdout
