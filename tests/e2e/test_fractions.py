"""A GPU is divided over a real sshd, by a real agent with its reader, on the fake driver: plan, apply, refuse, undo."""

import sys

import pytest

from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done, gpuyard, items
from tests.fakes.nvml.build import build
from tests.fakes.nvml.driver import FakeDriver

WANTED = ("here/0", "3g.40gb", "3x1g.10gb")


@pytest.fixture
def driver(host: Host) -> FakeDriver:
    """An H100 in MIG mode, as far as the agent can tell."""
    folder = host.folder / "nvml"
    folder.mkdir()
    made = FakeDriver(folder, build(folder))
    made.set({"gpu0.mig.current": 1})
    words = " ".join(f"{name}={made.env()[name]}" for name in ("LD_LIBRARY_PATH", "FAKE_NVML"))
    host.write_agent(f'exec env {words} {sys.executable} -P -m agents "$@" --state {host.state}')
    wait_until(lambda: len(items(host, "gpus")) == 1, 20, "the agent that was just started reads its GPU")
    return made


@pytest.mark.timeout(150)
def test_a_gpu_is_divided_by_plan_and_back(host: Host, driver: FakeDriver) -> None:
    planned = gpuyard(host, "fractions", "plan", *WANTED)
    assert planned.returncode == 2, planned.stderr
    assert "+ create   3g.40gb at" in planned.stdout
    applied = gpuyard(host, "fractions", "apply", *WANTED, "--yes")
    assert applied.returncode == 0, applied.stderr
    assert "here/0 has 1g.10gb at" in applied.stderr or "here/0 has 3g.40gb at" in applied.stderr
    events = [event for event in items(host, "events") if event["code"] == "repartition_ended"]
    assert [event["author"] for event in events] == ["ana"]

    driver.set({"gpu0.gi1.compute.1": 1})
    held = gpuyard(host, "fractions", "apply", "here/0", "7g.80gb", "--yes", "--drain")
    assert (held.returncode, "never ended by gpuyard" in held.stderr) == (1, True), held.stderr
    assert "! in use" in held.stdout
    driver.drop("gpu0.gi1.compute.1")

    driver.set({"gpu0.refuse.0": 23})
    back = gpuyard(host, "fractions", "apply", "here/0", "7g.80gb", "--yes")
    assert (back.returncode, "is as before" in back.stderr) == (5, True), back.stderr
    assert "no room" in back.stderr
    done(host, "fractions", "undo", "here/0", "--yes", user="bob")
    assert "no change of this GPU is stuck" in gpuyard(host, "fractions", "resume", "here/0", "--yes").stderr
