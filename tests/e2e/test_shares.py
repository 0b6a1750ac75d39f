"""Parts of GPUs over a real sshd, a real agent and simulated engines: planned, held to, refused, and waited for."""

import subprocess
from pathlib import Path

import pytest

from engines.simulated_device import Claim, claim_file, encode_claim
from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done, gpuyard, items

PROFILE = """gpuyard: 1
profile: shared
defaults: {engine: simulated}
rollout: {soak: 0s}
services:
  embed: {model: m, gpus: {devices: [here/0], memory: 12GiB}, options: {load_seconds: 0.1, weights_mib: 1000}}
  rerank: {model: m, gpus: {devices: [here/0], portion: 0.25}, options: {load_seconds: 0.1, weights_mib: 1000}}
"""


@pytest.fixture
def shared(host: Host, gpus: Path, tmp_path: Path) -> Host:
    wait_until(lambda: len(items(host, "gpus")) == 2, 20, "the agent that was just started reads its GPUs")
    path = tmp_path / "shared.yaml"
    path.write_text(PROFILE)
    said = done(host, "apply", "-f", str(path), "--yes")
    for line in (
        "gpu0: 12.0 GiB, cooperative: the engine's own option",
        "here gpu0      0.0     31.7     78.9",
    ):
        assert line in said
    return host


def instance(host: Host, name: str) -> dict[str, object]:
    return next(one for one in items(host, "instances") if one["name"] == name)


def reason(host: Host, name: str) -> str:
    found = instance(host, name)["reason"]
    assert isinstance(found, dict)
    return f"{found['code']}: {found['text']}"


def test_engines_hold_their_parts_and_what_does_not_fit_is_refused(shared: Host) -> None:
    def used() -> list[int]:
        return sorted(process["memory_mib"] for process in items(shared, "gpus")[0]["processes"])

    wait_until(lambda: used() == [12_282, 20_185], 20, "both hold their parts, in ten-thousandths of the GPU")
    run = ("run", "big", "--engine", "simulated", "--model", "m", "--yes")
    whole = gpuyard(shared, *run, "--gpus", "here/0")
    assert whole.returncode == 1
    assert "GPU 0 is not free: embed/0 and rerank/0 have it; best is GPU 1 with 80,744" in whole.stderr
    part = gpuyard(shared, *run, "--gpus", "here/0", "--memory", "60GiB")
    assert "needs 61,440 MiB of GPU 0, which has 48,270 to give; best is GPU 1 with 80,744" in part.stderr
    nowhere = gpuyard(shared, *run, "--memory", "100GiB")
    assert nowhere.returncode == 1
    assert "needs 102,400 MiB of one GPU, best is here/1 with 80,744" in nowhere.stderr
    none = gpuyard(shared, *run, "--gpus", "here/1", "--mig", "1g.10gb")
    assert "GPU 1 has no free 1g.10gb — it is not divided by MIG; `gpuyard fractions plan`" in none.stderr


def test_a_stranger_is_waited_for_and_costs_nobody_his_place(shared: Host, gpus: Path) -> None:
    done(shared, "stop", "embed", "--now", "--yes")
    with subprocess.Popen(["sleep", "100"]) as stranger:
        claim = Claim(pid=stranger.pid, name="whisper", user="bob", gpus={"GPU-0": 55_000})
        (gpus / claim_file(stranger.pid)).write_bytes(encode_claim(claim))
        wait_until(lambda: len(items(shared, "gpus")[0]["processes"]) == 2, 20, "the stranger is seen")
        said = done(shared, "start", "embed", "--yes", "--no-wait")
        text = "needs 12,288 MiB of GPU 0, which has 5,558 to give; best is GPU 1 with 80,744"
        assert f"! it will wait: {text}" in said
        wait_until(lambda: reason(shared, "embed/0") == f"no_room: {text}", 20, "it waits and says why")
        before = instance(shared, "rerank/0")["pid"]
        done(shared, "restart", "rerank", "--yes")
        after = instance(shared, "rerank/0")
        assert after["phase"] == "ready"
        assert after["pid"] != before
        stranger.terminate()
    wait_until(lambda: instance(shared, "embed/0")["phase"] == "ready", 20, "it starts by itself")
