"""Revisions and undo over a real sshd: what one console applied, another sees and takes back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.sshd import Host


def gpuyard(host: Host, *words: str, user: str = "ana") -> "subprocess.CompletedProcess[str]":
    """A console that was never here before, of `user`."""
    argv = [sys.executable, "-m", "console", *words, "--inventory", str(host.folder / "inventory.yaml")]
    env = host.environment() | {"LOGNAME": user}
    return subprocess.run(argv, capture_output=True, text=True, timeout=40, env=env, stdin=subprocess.DEVNULL,
                          check=False, cwd=host.folder)  # fmt: skip


def done(host: Host, *words: str, user: str = "ana") -> str:
    ended = gpuyard(host, *words, user=user)
    assert ended.returncode == 0, f"{words}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def items(host: Host, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done(host, kind, "--json"))["items"]
    return found


def profile(host: Host, name: str, services: dict[str, float]) -> str:
    """Services of the profile `name`, each with its seconds of loading."""
    path = Path(host.folder / f"{name}.yaml")
    described = {
        service: {"engine": "simulated", "model": "tiny", "options": {"load_seconds": seconds}}
        for service, seconds in services.items()
    }
    path.write_text(json.dumps({"gpuyard": 1, "profile": name, "rollout": {"soak": "0s"}, "services": described}))
    return str(path)


def wanted(host: Host) -> dict[str, str]:
    return {one["name"]: one["phase"] for one in items(host, "instances")}


def test_another_console_takes_back_what_one_applied_and_returns(host: Host) -> None:
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.1}), "--yes")
    first = items(host, "instances")[0]["pid"]
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.2, "embed": 0.1}), "--yes", user="bob")
    heads = items(host, "revisions")
    assert [(head["generation"], head["author"], head["has_text"]) for head in heads] == [
        (0, "", False), (1, "ana", True), (2, "bob", True), (3, "bob", True),
    ]  # fmt: skip
    assert [head["what"] for head in heads[2:]] == ["+ embed/0", "chat/0 options.load_seconds 0.1 → 0.2"]
    said = done(host, "undo", "--yes", user="eve")
    assert said.index("Undoes generation 3 by bob") < said.index("Undoes generation 2 by bob"), "all its waves"
    assert "± replace  chat/0" in said
    assert "× prune    embed/0" in said
    assert wanted(host) == {"chat/0": "ready"}
    assert items(host, "instances")[0]["pid"] != first, "it was started with the options of before"
    done(host, "undo", "here", "--yes")
    assert wanted(host) == {"chat/0": "ready", "embed/0": "ready"}
    heads = items(host, "revisions")
    assert [head["digest"] == heads[3]["digest"] for head in heads] == [False, False, False, True, False, True]
    assert "undo generation 3, 2" in heads[4]["reason"]
    assert [event["author"] for event in items(host, "events") if event["kind"] == "desired"] == [
        "ana", "bob", "bob", "eve", "ana",
    ]  # fmt: skip
    done(host, "undo", "--to", "0", "--yes")
    assert wanted(host) == {}


def test_one_change_is_taken_back_and_an_overlap_is_refused(host: Host) -> None:
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.1}), "--yes")
    done(host, "apply", "-f", profile(host, "q", {"embed": 0.1}), "--yes", user="bob")
    done(host, "stop", "embed", "--yes", user="bob")
    overlap = gpuyard(host, "undo", "--only", "2", "--yes")
    assert overlap.returncode == 1
    assert "embed/0 on here was changed again since" in overlap.stderr
    done(host, "undo", "--only", "1", "--yes")
    assert wanted(host) == {"embed/0": "stopped"}


def test_what_cannot_be_undone_says_why(host: Host) -> None:
    nothing = gpuyard(host, "undo", "--yes")
    assert nothing.returncode == 1
    assert "nothing was changed on this node yet" in nothing.stderr
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.1}), "--yes")
    unasked = gpuyard(host, "undo")
    assert unasked.returncode == 1
    assert "Undoes generation 1 by ana" in unasked.stdout
    assert gpuyard(host, "undo", "--to", "7", "--yes").returncode == 1
    assert gpuyard(host, "undo", "elsewhere", "--yes").returncode == 64
    assert gpuyard(host, "undo", "--yes", "--read-only").returncode == 1
    assert wanted(host) == {"chat/0": "ready"}
