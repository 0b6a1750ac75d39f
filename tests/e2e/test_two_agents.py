"""Two agents of two users on one host, brought up over sshd as their owners would: no GPU is given away twice."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.instances.claims import PREFIX
from engines.simulated_device import CLAIMS_DIRECTORY, DEVICES_FILE, SimulatedGpu, encode_devices
from tests.e2e.barehost import BareHost, bare_host
from tests.e2e.sshd import wait_until

pytestmark = pytest.mark.timeout(240)
ROOM = "/opt/gpus"
PROGRAM = f'#!/bin/sh\nexec /usr/local/bin/gpuyard-agent "$@" --simulated {ROOM}\n'
ENGINE = ("--engine", "simulated", "--model", "m", "--option", "load_seconds=0.1", "--yes")


@dataclass
class Shared:
    """Ada and bob, each with an agent of her or his own on the same two GPUs; `node` is whose agent is meant."""

    host: BareHost

    def gpuyard(self, node: str, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = self.host.console(*words, "--site", node)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def items(self, node: str, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.gpuyard(node, kind, "--json").stdout)["items"]
        return found

    def claims(self, node: str) -> list[list[tuple[str, str]]]:
        """(user, instance) of what the others have of each GPU."""
        return [[(one["user"], one["instance"]) for one in gpu["claims"]] for gpu in self.items(node, "gpus")]

    def until_claims(self, node: str, wanted: list[list[tuple[str, str]]]) -> None:
        wait_until(lambda: self.claims(node) == wanted, 20, f"{node} sees {wanted}")

    def run(self, node: str, name: str, gpu: int, code: int = 0) -> str:
        """What is said of it."""
        return self.gpuyard(node, "run", name, "--gpus", f"{node}/{gpu}", *ENGINE, code=code).stderr

    def instance(self, node: str, name: str) -> dict[str, Any]:
        return next(one for one in self.items(node, "instances") if one["name"] == name)

    def place(self) -> Path:
        """/dev/shm, as the host sees it."""
        assert self.host.process is not None
        return Path(f"/proc/{self.host.process.pid}/root/dev/shm")

    def agent(self, node: str) -> int:
        (pid,) = [pid for pid in self.host.agents() if psutil.Process(pid).uids().real == self.uid(node)]
        return pid

    def uid(self, node: str) -> int:
        return self.host.home(node).stat().st_uid


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    with bare_host(tmp_path, ("ada", "bob", "root"), start=False) as host:
        host.set_up = ["mount -t tmpfs -o mode=1777 tmpfs /dev/shm"]
        room = host.files / ROOM.strip("/")
        (room / CLAIMS_DIRECTORY).mkdir(parents=True)
        gpus = [SimulatedGpu(uuid=f"GPU-{at}", index=at, name="H", memory_total_mib=81920) for at in range(2)]
        (room / DEVICES_FILE).write_bytes(encode_devices(gpus))
        (room / CLAIMS_DIRECTORY).chmod(0o1777)
        program = host.files / "usr/local/bin/trial-agent"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        host.start()
        done = host.console("node", "install", "root")
        assert done.returncode == 0, done.stderr
        inventory = host.write_inventory(agent="/usr/local/bin/trial-agent")
        lines = inventory.read_text().splitlines()
        sited = [
            line[:-1] + f", site: {line.split(':')[0].strip()}}}" if line.endswith("}") else line for line in lines
        ]
        inventory.write_text("\n".join(sited) + "\n")
        made = Shared(host)
        for node in ("ada", "bob"):
            wait_until(lambda node=node: len(made.items(node, "gpus")) == 2, 20, f"{node}'s agent has read the GPUs")
        yield made


def check_forgery(shared: Shared) -> None:
    """A file of bob's that says it is ada's agent's claims nothing; were it hers, it would."""
    (hers,) = shared.place().glob(f"{PREFIX}{shared.uid('ada')}.*")
    content = json.loads(hers.read_bytes())
    assert content["agent"]["pid"] == shared.agent("ada")
    (gpu,) = content["held"]["chat/0"]["gpus"]
    forged = hers.with_name(f"{PREFIX}{shared.uid('ada')}.0000000000000000")
    forged.write_text(json.dumps(content | {"held": {"x/0": {"gpus": {gpu.replace("GPU-0", "GPU-1"): None}}}}))
    forged.chmod(0o644)
    for owner, counts in (("ada", True), ("bob", False)):
        os.chown(forged, shared.uid(owner), shared.uid(owner))
        shared.until_claims("bob", [[("ada", "chat/0")], [("ada", "x/0")] if counts else []])
    forged.unlink()


def test_a_gpu_is_given_away_once_and_a_claim_goes_with_its_engine(shared: Shared) -> None:
    shared.run("ada", "chat", 0)
    shared.until_claims("bob", [[("ada", "chat/0")], []])
    assert "claimed by the agent of ada for chat/0" in shared.run("bob", "rerank", 0, code=1)
    shared.run("bob", "embed", 1)
    shared.until_claims("ada", [[], [("bob", "embed/0")]])  # and not her own
    assert "bob's agent: embed/0" in shared.gpuyard("ada", "gpus").stdout
    check_forgery(shared)

    engine = shared.instance("ada", "chat/0")["pid"]
    os.kill(shared.agent("ada"), signal.SIGKILL)
    wait_until(lambda: len(shared.host.agents()) == 2, 10, "ada's agent is gone")
    shared.until_claims("bob", [[("ada", "chat/0")], []])
    assert "claimed by the agent of ada" in shared.run("bob", "rerank", 0, code=1)
    os.kill(engine, signal.SIGKILL)
    shared.until_claims("bob", [[], []])
    shared.run("bob", "rerank", 0)

    ada = shared.instance("ada", "chat/0")  # her agent is back, and still wants it
    wait_until(lambda: shared.instance("ada", "chat/0")["reason"]["code"] == "gpu_claimed", 20, f"ada's waits: {ada}")
    waits = shared.instance("ada", "chat/0")
    assert (waits["phase"], waits["pid"]) == ("pending", None)
    assert "bob" in waits["reason"]["text"]
    shared.gpuyard("bob", "down", "adhoc", "rerank", "--yes")
    wait_until(lambda: shared.instance("ada", "chat/0")["phase"] == "ready", 20, "hers starts once his is gone")
    shared.until_claims("bob", [[("ada", "chat/0")], []])
