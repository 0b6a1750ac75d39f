"""The reader process on a driver that hangs, and on one that is not there."""

import asyncio
from collections.abc import Callable

import pytest

from agents.gpus.reader import Reader
from agents.gpus.source import Frame
from profiles.observed.status import GpuSourceKind, GpuState
from tests.fakes.nvml.driver import FakeDriver

LIMIT_S = 40.0


@pytest.fixture(autouse=True)
def _environment(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader process inherits it."""
    for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
        monkeypatch.setenv(name, driver.env()[name])


async def until(shown: list[Frame], test: Callable[[Frame], bool]) -> Frame:
    """The next frame that passes; what was shown before does not count."""
    shown.clear()
    while not (found := next(filter(test, shown), None)):
        await asyncio.sleep(0.02)
    return found


def all_are(state: GpuState) -> Callable[[Frame], bool]:
    return lambda frame: bool(frame.gpus) and all(gpu.state is state for gpu in frame.gpus)


async def test_a_hanging_driver_is_stale_then_stalled_and_read_again(driver: FakeDriver) -> None:
    shown: list[Frame] = []
    reader = Reader(shown.append, stale_s=1.3, stalled_s=3.9)
    task = asyncio.create_task(reader.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            await until(shown, all_are(GpuState.OK))
            hung = reader.pid
            driver.set({"fault.nvmlDeviceGetMemoryInfo_v2": "hang", "gpu0.busy": 44})
            stale = await until(shown, all_are(GpuState.STALE))
            assert stale.gpus[0].busy_ratio == 0.0
            await until(shown, lambda frame: "stalled" in frame.source.note)
            driver.drop("fault.nvmlDeviceGetMemoryInfo_v2")
            again = await until(shown, all_are(GpuState.OK))
            assert again.gpus[0].busy_ratio == 0.44
            assert reader.pid != hung
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_mismatched_driver_is_said_by_the_reader_process(driver: FakeDriver) -> None:
    driver.set({"fault.nvmlInit": 18})
    shown: list[Frame] = []
    task = asyncio.create_task(Reader(shown.append).run())
    try:
        async with asyncio.timeout(LIMIT_S):
            frame = await until(shown, lambda frame: True)
        assert (frame.source.kind, frame.gpus) == (GpuSourceKind.NONE, ())
        assert "reload the driver" in frame.source.note
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
