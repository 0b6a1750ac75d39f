"""Canaries to a simulated engine: asked at their rate, told with what came of them, never left behind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.trials.canaries import Canaries
from agents.trials.completion import Target
from profiles.latency.canary import BadCanary, CanaryReading, CanaryRequest, reading
from tests.engines.simulated_process import Simulated, free_port


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Simulated]:
    one = Simulated(tmp_path / "log").ready()
    yield one
    one.close()


class Told:
    def __init__(self) -> None:
        self.of: list[tuple[str, CanaryReading | None]] = []
        self._more = asyncio.Event()

    def show(self, name: str, canary: CanaryReading | None) -> None:
        self.of.append((name, canary))
        self._more.set()

    async def until(self, count: int) -> list[tuple[str, CanaryReading | None]]:
        async with asyncio.timeout(30):
            while len(self.of) < count:
                self._more.clear()
                await self._more.wait()
        return self.of


@asynccontextmanager
async def asking(targets: dict[str, Target], due: dict[str, float]) -> AsyncIterator[Told]:
    told = Told()
    running = asyncio.create_task(Canaries(targets.get, lambda: due, told.show, lambda: 1000.0).run())
    try:
        yield told
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_canary_is_one_token_and_its_time(engine: Simulated) -> None:
    due = {"chat/0": 3600.0}
    async with asking({"chat/0": Target(port=engine.port, model="m")}, due) as told:
        ((name, canary),) = await told.until(1)
        assert name == "chat/0"
        assert canary is not None
        assert (canary.asked, canary.failed, canary.error) == (1, 0, "")
        assert canary.ttft_s == canary.ttft_p95_s
        assert canary.ttft_s is not None
        assert engine.sample().generation_tokens == 1
        due.clear()  # it drains
        assert (await told.until(2))[1] == ("chat/0", None)


async def test_one_that_fails_holds_up_no_other(engine: Simulated) -> None:
    targets = {"gone/0": Target(port=free_port(), model="m"), "chat/0": Target(port=engine.port, model="m")}
    async with asking(targets, dict.fromkeys(targets, 3600.0)) as told:
        (_, failed), (_, answered) = await told.until(2)
    assert failed is not None
    assert (failed.failed, failed.ttft_s, failed.error) == (1, None, "Connection refused")
    assert answered is not None
    assert answered.failed == 0


def test_the_failed_are_in_no_quantile() -> None:
    found = reading(5.0, (0.1, None, 0.3, 0.2), "")
    assert (found.asked, found.failed, found.ttft_s, found.ttft_p50_s, found.ttft_p95_s) == (4, 1, 0.2, 0.2, 0.3)
    assert reading(5.0, (None,), "HTTP 503").ttft_p95_s is None


@pytest.mark.parametrize("every", ["1s", "2h", "often", "0s"])
def test_a_rate_that_would_hurt_is_refused(every: str) -> None:
    with pytest.raises(BadCanary, match=every):
        CanaryRequest(every=every).every_s()
    assert CanaryRequest(every="30s").every_s() == 30.0
