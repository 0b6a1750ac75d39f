"""Cordon over a real sshd and a real agent: who, why, what it refuses, what it leaves, and the way back."""

import json

import pytest

from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done, gpuyard, items, profile


def test_nothing_new_is_placed_and_what_is_there_stays(host: Host) -> None:
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.1}), "--yes")
    pid = items(host, "instances")[0]["pid"]
    done(host, "node", "cordon", "here", "--reason", "new disk", "--yes")
    (node,) = items(host, "nodes")
    assert (node["cordon"]["author"], node["cordon"]["reason"]) == ("ana", "new disk")
    assert "1 node cordoned" in done(host, "status")
    assert "nothing to do" in gpuyard(host, "node", "cordon", "here", "--yes", user="bob").stderr
    refused = gpuyard(host, "apply", "-f", profile(host, "p", {"chat": 0.1, "embed": 0.1}), "--yes")
    assert refused.returncode == 1
    assert "cordoned by ana (new disk)" in refused.stderr
    assert "uncordon" in refused.stderr
    done(host, "restart", "chat", "--yes")
    assert items(host, "instances")[0]["pid"] != pid, "what is there may start again"
    events = [event for event in items(host, "events") if "cordoned the node" in event["text"]]
    assert [event["author"] for event in events] == ["ana"]
    assert "cordoned the node" in done(host, "revisions")
    done(host, "undo", "--only", str(items(host, "revisions")[-1]["generation"]), "--yes", user="eve")
    assert items(host, "nodes")[0]["cordon"] is None
    done(host, "apply", "-f", profile(host, "p", {"chat": 0.1, "embed": 0.1}), "--yes")


@pytest.mark.usefixtures("gpus")
def test_a_gpu_by_its_index_and_an_index_that_is_not_there(host: Host) -> None:
    wait_until(lambda: len(items(host, "gpus")) == 2, 20, "the agent that was just started reads its GPUs")
    json.loads(done(host, "gpu", "cordon", "here/1", "--reason", "fan", "--yes", "--json"))
    found = {gpu["index"]: gpu["cordon"] for gpu in items(host, "gpus")}
    assert found[0] is None
    assert found[1]["reason"] == "fan"
    run = ("run", "chat", "--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")
    refused = gpuyard(host, *run, "--gpus", "here/1")
    assert (refused.returncode, "GPU 1 is cordoned by ana (fan)" in refused.stderr) == (1, True), refused.stderr
    done(host, *run, "--gpus", "here/0")
    assert gpuyard(host, "gpu", "cordon", "here/7", "--yes").returncode == 64
    done(host, "gpu", "uncordon", "here/1", "--yes", user="bob")
    assert all(gpu["cordon"] is None for gpu in items(host, "gpus"))
