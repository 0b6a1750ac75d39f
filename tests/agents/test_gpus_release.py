"""The reader lets go of the GPUs while somebody changes them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.gpus import reader as room
from agents.gpus.reader import NotReleased, Reader
from agents.gpus.source import Frame
from agents.processes import tree
from engines.simulated_device import SimulatedGpu, encode_devices
from profiles.observed.status import GpuState
from tests.fakes.nvml.driver import FakeDriver

DEAF = (
    "import sys,time; from agents.gpus.child import *; s=open_source(sys.argv[1:]);"
    "write(msgspec.json.encode(s.read())+b'\\n'); time.sleep(600)"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    gpu = SimulatedGpu(uuid="GPU-0", index=0, name="H100", memory_total_mib=81559)
    (tmp_path / "devices.json").write_bytes(encode_devices([gpu]))
    return tmp_path


@asynccontextmanager
async def reading(reader: Reader) -> AsyncIterator[None]:
    task = asyncio.create_task(reader.run())
    try:
        async with asyncio.timeout(40):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(shown: list[Frame], test: Callable[[Frame], bool]) -> Frame:
    """The next frame that passes; what was shown before does not count."""
    shown.clear()
    while not (found := next(filter(test, shown), None)):
        await asyncio.sleep(0.02)
    return found


def is_state(state: GpuState) -> Callable[[Frame], bool]:
    return lambda frame: bool(frame.gpus) and frame.gpus[0].state is state


async def test_while_it_is_released_no_process_of_ours_is_on_the_gpus(directory: Path) -> None:
    shown: list[Frame] = []
    reader = Reader(shown.append, directory)
    async with reading(reader):
        await until(shown, is_state(GpuState.OK))
        pid = reader.pid
        assert pid is not None
        async with reader.release():
            assert reader.pid is None
            assert tree.stat(pid) is None
            async with reader.release():
                assert is_state(GpuState.STALE)(shown[-1])
                assert "let go" in shown[-1].source.note
            shown.clear()
            await asyncio.sleep(1.5 * room.RESTART_S)  # nothing begins, though it would have by now
            assert (reader.pid, shown) == (None, [])
        again = await until(shown, is_state(GpuState.OK))
        assert "let go" not in again.source.note
        assert reader.pid not in (None, pid)


async def test_one_that_does_not_listen_is_ended_by_force(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "END_LIMIT_S", 0.2)
    shown: list[Frame] = []
    reader = Reader(shown.append, command=(sys.executable, "-c", DEAF, "--simulated", str(directory)))
    async with reading(reader):
        await until(shown, is_state(GpuState.OK))
        pid = reader.pid
        assert pid is not None
        async with reader.release():
            assert tree.stat(pid) is None


async def test_one_that_cannot_be_ended_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RELEASE_LIMIT_S", 0.1)
    monkeypatch.setattr(room, "END_LIMIT_S", 2.0)
    shown: list[Frame] = []
    reader = Reader(shown.append, command=(sys.executable, "-c", DEAF, "--simulated", str(directory)))
    async with reading(reader):
        await until(shown, is_state(GpuState.OK))
        with pytest.raises(NotReleased, match=str(reader.pid)):
            async with reader.release():
                pass


async def test_what_is_read_seldom_is_read_at_once_when_somebody_says_so(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MIG is looked at every ten reads; the frame after the word is there long before."""
    for name, value in driver.env().items():
        monkeypatch.setenv(name, value)
    shown: list[Frame] = []
    reader = Reader(shown.append)
    async with reading(reader):
        await until(shown, lambda frame: bool(frame.gpus) and frame.gpus[0].mig is not None)
        driver.set({"gpu0.mig.current": 1})
        reader.look_again()
        await until(shown, lambda frame: bool(frame.gpus and frame.gpus[0].mig and frame.gpus[0].mig.current))
        assert len(shown) < 5
        pid = reader.pid
        reader.look_again()
        await until(shown, is_state(GpuState.OK))
        assert reader.pid == pid
