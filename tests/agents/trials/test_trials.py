"""Ramps in a child process, against a simulated engine: what they show, how they end, what is kept."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agents.errors import Refused
from agents.processes import tree
from agents.trials.bench import Bench
from agents.trials.completion import Target
from agents.trials.trials import Trials
from profiles.latency.trial import Trial
from tests.engines.simulated_process import Simulated

LONG = Trial(concurrency=(2,), requests=5000, answer_tokens=50)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Simulated]:
    one = Simulated(tmp_path / "log").ready()
    yield one
    one.close()


@pytest.fixture
async def trials(engine: Simulated, tmp_path: Path) -> AsyncIterator[Trials]:
    known = {"chat/0": Target(port=engine.port, model="m"), "lost/0": Target(port=engine.port, model="gone")}
    one = Trials(tmp_path / "trials", known.get, lambda: 7, lambda: 1000.0)
    running = asyncio.create_task(one.run())
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert children() == []


def children() -> list[int]:
    mine = [one.pid for one in tree.everyone().values() if one.parent == os.getpid()]
    return [pid for pid in mine if b"agents.trials" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def over(trials: Trials, name: str) -> Bench:
    async with asyncio.timeout(30):
        bench = await trials.report(name, -1, 0)
        while not bench.over:
            bench = await trials.report(name, bench.answered, 30)
        return bench


async def test_a_ramp_shows_each_level_and_is_kept(trials: Trials) -> None:
    name = trials.start("chat/0", Trial(concurrency=(1, 4), requests=8, answer_tokens=4), "ann")
    bench = await over(trials, name)
    assert (bench.problem, bench.answered, bench.of) == ("", 16, 16)
    assert [(level.concurrency, level.requests, level.failed) for level in bench.levels] == [(1, 8, 0), (4, 8, 0)]
    assert all(level.generation_tok_s > 0 and level.ttft_p95_s for level in bench.levels)
    (kept,) = trials.kept("chat/0")
    assert (kept.name, kept.generation, kept.author, kept.levels) == (name, 7, "ann", tuple(bench.levels))
    assert trials.kept("other/0") == []


async def test_failures_are_counted_by_what_was_said(trials: Trials) -> None:
    bench = await over(trials, trials.start("lost/0", Trial(requests=3), "ann"))
    assert bench.levels[0].failed == 3
    assert bench.levels[0].errors == {"HTTP 404: The model `gone` does not exist.": 3}
    assert bench.levels[0].ttft_p50_s is None


async def test_one_at_a_time_an_instance_until_it_is_stopped(trials: Trials) -> None:
    name = trials.start("chat/0", LONG, "ann")
    assert (await trials.report(name, 0, 20)).answered > 0
    with pytest.raises(Refused, match="being tried already"):
        trials.start("chat/0", LONG, "bob")
    await trials.stop(name)
    bench = await trials.report(name, 10**9, 20)
    assert (bench.over, bench.problem) == (True, "stopped")
    assert children() == []
    assert trials.kept("") == []  # no level was over
    await over(trials, trials.start("chat/0", Trial(), "bob"))


async def test_a_child_that_is_killed_is_no_result(trials: Trials) -> None:
    name = trials.start("chat/0", LONG, "ann")
    await trials.report(name, 0, 20)
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    assert (await over(trials, name)).problem == "its process ended early"


async def test_what_cannot_be_tried_is_refused(trials: Trials) -> None:
    with pytest.raises(Refused, match="does not serve"):
        trials.start("away/0", Trial(), "ann")
    with pytest.raises(Refused, match="a concurrency is 1 to 512"):
        trials.start("chat/0", Trial(concurrency=(0,)), "ann")
    with pytest.raises(Refused, match="10,000 requests in all"):
        trials.start("chat/0", Trial(requests=10_001), "ann")
    with pytest.raises(Refused, match="no trial nobody"):
        await trials.report("nobody", 0, 0)


async def test_smoke_is_one_request(trials: Trials, engine: Simulated) -> None:
    timing = await trials.smoke("chat/0")
    assert (timing.error, timing.tokens) == ("", 32)
    assert engine.sample().requests_finished == 1
