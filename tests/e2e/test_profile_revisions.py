"""Revisions of a profile on two nodes over a real sshd: one console applies, others that never saw it go back."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import sshd
from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done, gpuyard, items

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """One sshd and behind it two nodes, `a` and `b`, each an agent with a state directory of its own."""
    with sshd.host(tmp_path) as found:
        nodes = []
        for name in ("a", "b"):
            program(found, name)
            nodes.append(
                f"  {name}: {{address: 127.0.0.1, port: {found.port}, user: {os.environ.get('USER', 'root')},"
                f" identity_file: {found.login_key}, agent: {found.folder / name}, site: fra}}"
            )
        (found.folder / "inventory.yaml").write_text("\n".join(["gpuyard: 1", "nodes:", *nodes]) + "\n")
        wait_until(lambda: gpuyard(found, "nodes").returncode == 0, 60, "both agents answer")
        yield found


def program(host: Host, node: str, fail: str = "") -> None:
    path = host.folder / node
    environ = f"GPUYARD_FAIL_POINT={fail} " if fail else ""
    state = host.state / node
    path.write_text(f'#!/bin/sh\nmkdir -p {state}\n{environ}exec {sys.executable} -P -m agents "$@" --state {state}\n')
    path.chmod(0o755)


def replace_node(host: Host, node: str) -> None:
    """Another machine of that name: nothing runs there and nothing is kept."""
    state = str(host.state / node)
    for pid in [pid for pid in host.processes() if state in _words(pid)]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not [pid for pid in host.processes() if state in _words(pid)], 10, f"{node} is gone")
    shutil.rmtree(state)


def _words(pid: int) -> str:
    try:
        process = Path(f"/proc/{pid}")
        return (process / "cmdline").read_text() + (process / "environ").read_text()
    except OSError:
        return ""


def profile(host: Host, seconds: float, replicas: int = 2) -> str:
    path = host.folder / "p.yaml"
    path.write_text(
        f"gpuyard: 1\nprofile: p\nrollout: {{soak: 0s}}\nservices:\n  chat:\n    engine: simulated\n    model: tiny\n"
        f"    replicas: {replicas}\n    options: {{load_seconds: {seconds}}}\n"
    )
    return str(path)


def revisions(host: Host) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done(host, "revisions", "p", "--json"))["items"]
    return found


def seconds(host: Host) -> dict[str, float]:
    """Node and instance → what it was started with last."""
    found = {}
    for path in sorted(host.state.glob("*/instances/chat.*/spec.json")):
        spec = json.loads(path.read_text())["data"]["owned"]["spec"]
        found[f"{path.parents[2].name} {spec['name']}"] = spec["options"]["load_seconds"]
    return found


def test_another_console_goes_back_to_what_one_applied(host: Host) -> None:
    done(host, "apply", "-f", profile(host, 0.1), "--yes")
    done(host, "apply", "-f", profile(host, 0.2), "--yes", user="bob")
    for state in (".local", ".config"):  # of the console that applied; who goes back never saw it
        shutil.rmtree(host.home / state, ignore_errors=True)
    first, second = revisions(host)
    assert [(one["number"], one["author"], one["stands_on"]) for one in (first, second)] == [
        (1, "ana", []), (2, "bob", ["a", "b"]),
    ]  # fmt: skip
    assert second["nodes"].keys() == {"a", "b"}
    said = done(host, "undo", "p", "--yes", user="eve")
    assert "Undoes r2 of p by bob (apply" in said
    assert ", on a, b: chat/" in said
    assert set(seconds(host).values()) == {0.1}
    third = revisions(host)[-1]
    assert (third["number"], third["digest"], third["stands_on"]) == (3, first["digest"], ["a", "b"])
    done(host, "undo", "p", "--yes")
    assert set(seconds(host).values()) == {0.2}, "undoing an undo returns"
    done(host, "rollback", "p", "-1", "--yes")
    assert set(seconds(host).values()) == {0.1}
    done(host, "down", "p", "--yes")
    assert items(host, "instances") == []
    done(host, "undo", "p", "--yes")
    assert {one["phase"] for one in items(host, "instances")} == {"ready"}


def test_a_later_change_of_the_same_instance_refuses_an_undo_and_not_a_rollback(host: Host) -> None:
    done(host, "apply", "-f", profile(host, 0.1), "--yes")
    done(host, "apply", "-f", profile(host, 0.2), "--yes")
    done(host, "stop", "chat/0", "--yes", user="bob")
    refused = gpuyard(host, "undo", "p", "--yes")
    assert refused.returncode == 1
    assert "chat/0 on a was changed again since, last by bob (stop chat/0)" in refused.stderr
    done(host, "rollback", "p", "r1", "--yes")
    assert {one["phase"] for one in items(host, "instances")} == {"ready"}
    for word, code in (("r9", 1), ("gone", 1), ("-9", 1)):
        assert gpuyard(host, "rollback", "p", word, "--yes").returncode == code


def test_what_has_a_name_comes_back_after_a_node_was_replaced(host: Host) -> None:
    done(host, "apply", "-f", profile(host, 0.1), "--yes")
    done(host, "tag", "p", "r1", "known-good")
    done(host, "apply", "-f", profile(host, 0.2), "--yes")
    replace_node(host, "b")
    assert "not b" in done(host, "revisions", "p")
    said = done(host, "rollback", "p", "known-good", "--yes")
    assert "Back to r1 of p (known-good) by ana" in said
    assert "b: not as it was then" in said
    assert seconds(host) == {"a chat/0": 0.1, "b chat/1": 0.1}
    last = revisions(host)[-1]
    assert (last["number"], last["stands_on"], last["lacking"]) == (3, ["a", "b"], [])
    done(host, "tag", "p", "--delete", "known-good")
    assert [one["tags"] for one in revisions(host)] == [[], [], []]


def test_a_revision_that_came_only_to_some_nodes_is_taken_back_from_those(host: Host) -> None:
    replace_node(host, "b")
    program(host, "b", "before-intent@2:error")
    done(host, "nodes")
    done(host, "apply", "-f", profile(host, 0.1), "--yes", "--no-wait")
    partly = gpuyard(host, "apply", "-f", profile(host, 0.2), "--yes", "--no-wait")
    assert partly.returncode == 6, partly.stderr
    second = revisions(host)[-1]
    assert (second["number"], second["stands_on"], second["lacking"]) == (2, ["a"], ["b"])
    said = done(host, "undo", "p", "--yes")
    assert "Undoes r2 of p by ana" in said
    assert ", on a: chat/0" in said
    assert set(seconds(host).values()) == {0.1}
    assert revisions(host)[-1]["stands_on"] == ["a", "b"]


def test_edits_by_hand_are_told_key_by_key_and_what_runs_is_saved_as_a_file(host: Host) -> None:
    path = profile(host, 0.1)
    done(host, "apply", "-f", path, "--yes")
    assert done(host, "drift", "p") == ""
    saved = host.folder / "profiles" / "p.yaml"
    done(host, "profile", "save", "p")
    assert "load_seconds: 0.1" in saved.read_text()
    assert "nothing to do" in gpuyard(host, "plan", "p").stderr
    assert gpuyard(host, "profile", "save", "p").returncode == 1, "it is there"
    assert "profile: p" in done(host, "profile", "show", "p")
    done(host, "stop", "chat/1", "--yes", user="bob")
    drifted = gpuyard(host, "drift", "p", "--json")
    assert drifted.returncode == 1
    (one,) = json.loads(drifted.stdout)["items"]
    assert [one[key] for key in ("node", "instance", "key", "wanted", "desired", "author", "reason")] == [
        "b", "chat/1", "wanted", "running", "stopped", "bob", "stop chat/1",
    ]  # fmt: skip
    assert gpuyard(host, "drift", "-f", path).returncode == 1
    (listed,) = json.loads(done(host, "profile", "list", "--json"))["items"]
    assert [listed[key] for key in ("name", "numbers", "ready", "wanted", "author", "edited_on")] == [
        "p", [1], 1, 1, "ana", ["b"],
    ]  # fmt: skip
    assert listed["file"] == str(saved)
    unwritable = gpuyard(host, "profile", "save", "p", "--yes")
    assert unwritable.returncode == 1
    assert "chat/1 should not run, and a file cannot say so" in unwritable.stderr
    done(host, "apply", "-f", path, "--yes")
    assert done(host, "drift") == ""
    assert [one["number"] for one in revisions(host)] == [1], "the same again is the same revision"
