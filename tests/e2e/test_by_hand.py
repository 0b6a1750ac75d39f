"""Edits by hand over a real sshd and a real agent: keys, replicas, other GPUs, and the way back."""

import json

import pytest

from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done, gpuyard, items

ENGINE = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1")


def held(host: Host) -> list[int]:
    return [part["gpu_index"] for one in items(host, "instances") for part in one["slices"]]


@pytest.mark.usefixtures("gpus")
def test_keys_replicas_and_places_of_what_runs(host: Host) -> None:
    wait_until(lambda: len(items(host, "gpus")) == 2, 20, "the agent that was just started reads its GPUs")
    done(host, "run", "chat", *ENGINE, "--gpus", "1", "--yes")
    (before,) = items(host, "instances")

    said = done(host, "set", "chat", "priority=high", "slo.ttft_p95=800ms", "--yes")
    assert "priority" in said
    assert items(host, "instances")[0]["pid"] == before["pid"], "it goes on: neither key needs a restart"
    refused = gpuyard(host, "set", "chat", "load_second=1", "--yes")
    assert (refused.returncode, "did you mean `load_seconds`" in refused.stderr) == (64, True), refused.stderr

    done(host, "scale", "chat", "2", "--yes")
    there = {one["name"]: one for one in items(host, "instances")}
    assert sorted(there) == ["chat/0", "chat/1"]
    assert there["chat/0"]["pid"] == before["pid"]
    full = gpuyard(host, "scale", "chat", "3", "--yes")
    assert (full.returncode, "needs 1 free GPU" in full.stderr) == (1, True), full.stderr

    done(host, "scale", "chat", "1", "--yes")
    (here,) = held(host)
    free = 1 - here
    done(host, "move", "chat/0", "--to", f"here/{free}", "--yes")
    assert held(host) == [free]
    done(host, "undo", "--yes", user="bob")
    assert held(host) == [here]

    nowhere = gpuyard(host, "node", "drain", "here", "--yes")
    assert (nowhere.returncode, "chat/0" in nowhere.stderr) == (1, True), nowhere.stderr
    assert items(host, "nodes")[0]["cordon"] is None, "a plan with a blocker changes nothing"
    done(host, "stop", "chat", "--yes")
    done(host, "node", "drain", "here", "--reason", "fan", "--yes")
    assert items(host, "nodes")[0]["cordon"]["reason"] == "fan"


def test_what_the_applied_profile_says_of_its_place_holds_for_new_replicas(host: Host) -> None:
    service = {"engine": "simulated", "model": "tiny", "options": {"load_seconds": 0.1}, "place": {"nodes": "zone=a"}}
    file = host.folder / "p.yaml"
    file.write_text(
        json.dumps({"gpuyard": 1, "profile": "p", "rollout": {"soak": "0s"}, "services": {"chat": service}})
    )
    done(host, "node", "label", "here", "zone=a")
    done(host, "apply", "-f", str(file), "--yes")
    done(host, "scale", "chat", "2", "--yes")
    done(host, "node", "label", "here", "zone=b")
    refused = gpuyard(host, "scale", "chat", "3", "--yes")
    assert (refused.returncode, "fits `zone=a`" in refused.stderr) == (1, True), refused.stderr
