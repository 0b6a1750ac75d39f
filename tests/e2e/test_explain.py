"""Scenarios of the demo, as `explain` names them on a console that was not there when they began."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.demo.command import SCENARIOS
from console.demo.scenarios import ACTS, AFTER_S

LIMIT_S = 150.0


@contextmanager
def demo(scenario: str) -> Iterator[Callable[..., list[dict[str, object]]]]:
    """Items of a command on the demo's inventory."""
    command = [sys.executable, "-P", "-m", "console"]
    options = ["--nodes", "1", "--gpus", "1", "--scenario", scenario, "--headless"]
    with subprocess.Popen([*command, "demo", *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        inventory = Path(process.stdout.readline().strip())

        def items(*words: str) -> list[dict[str, object]]:
            done = subprocess.run(
                [*command, "--inventory", str(inventory), *words, "--json"], capture_output=True, text=True, check=False
            )
            found: list[dict[str, object]] = json.loads(done.stdout)["items"] if done.stdout else []
            return found

        try:
            yield items
        finally:
            process.terminate()


def test_the_demo_offers_what_it_can_play() -> None:
    assert tuple(ACTS) == SCENARIOS


@pytest.mark.parametrize(
    ("scenario", "code", "owner"),
    [
        ("contention", "noisy_neighbour_foreign", "bob"), ("traffic-step", "traffic_step", ""),
        ("xid", "gpu_failing", ""), ("hung-engine", "hung_engine", ""), ("orphan", "orphan", "old/0"),
    ],
)  # fmt: skip
def test_a_scenario_is_named_first_and_with_whom(scenario: str, code: str, owner: str) -> None:
    with demo(scenario) as items:
        deadline_s = time.monotonic() + LIMIT_S
        causes: list[dict[str, object]] = []
        while not causes or causes[0]["code"] != code:
            assert time.monotonic() < deadline_s, causes
            time.sleep(1.0)
            for verdict in items("explain", "gpu", "fra-1/0"):
                causes = verdict["causes"]  # type: ignore[assignment]
        assert causes[0]["owner"] == owner
        assert causes[0]["confidence"] in ("high", "likely")
        assert causes[0]["numbers"]


def test_calm_is_said_to_be_calm() -> None:
    with demo("calm") as items:
        time.sleep(AFTER_S)  # as long as the others have until something happens
        (verdict,) = items("explain", "service", "chat-8b")
        assert [one for one in verdict["causes"] if one["confidence"] == "high"] == []  # type: ignore[attr-defined]
        assert len(verdict["ruled_out"]) >= 5  # type: ignore[arg-type]
