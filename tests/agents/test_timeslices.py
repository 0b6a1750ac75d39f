"""The length of turns is set once, kept, and given to the driver again whenever it may have forgotten it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.board import Board
from agents.errors import Refused
from agents.fractions import timeslices
from agents.fractions.timeslices import OURSELVES, Timeslices
from agents.layout import Layout
from agents.privilege.answers import Done, Failed, Missing, Outcome
from agents.privilege.calls import AnyCall, SetTimeslice
from console.cli.gpu_words import LENGTHS
from engines.devices import Timeslice
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, GpuState, HostReading

GPU = "GPU-00000000-0000-4000-8000-000000000000"
SHORT = SetTimeslice(gpu=GPU, to=Timeslice.SHORT)


class Root:
    """Does what it is told to, and remembers who wanted what."""

    def __init__(self) -> None:
        self.outcome: Outcome = Done()
        self.asked: list[tuple[AnyCall, str]] = []

    async def do(self, call: AnyCall, author: str) -> Outcome:
        self.asked.append((call, author))
        return self.outcome

    def may(self, call: AnyCall) -> Missing | None:
        return None


class Node:
    def __init__(self, directory: Path) -> None:
        self.root = Root()
        host = HostReading(cores=1, memory_total_mib=1)
        self.board = Board(
            hostname="h", agent_version="0", boot_id="b", host=host, gpu_source=GpuSource(GpuSourceKind.NVML)
        )
        self.layout = Layout(directory, directory / "agent.sock")
        self.there()
        self.next_agent()

    def next_agent(self) -> None:
        self.turns = Timeslices(self.layout, self.board, self.root)

    def there(self, state: GpuState = GpuState.OK) -> None:
        self.board.set_gpus([GpuReading(uuid=GPU, index=0, name="H100", state=state)])

    def told(self) -> Timeslice | None:
        return self.turns.told([GpuReading(uuid=GPU, index=0, name="H100")])[0].timeslice

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.turns.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until(self, asked: int) -> None:
        async with asyncio.timeout(5):
            while len(self.root.asked) < asked:
                await asyncio.sleep(0.01)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(timeslices, "LOOK_S", 0.01)
    return Node(tmp_path)


async def test_it_is_set_shown_and_set_again_after_the_gpu_was_gone(node: Node) -> None:
    assert await node.turns.set(GPU, Timeslice.SHORT, "ann") is None
    assert node.told() is Timeslice.SHORT
    async with node.running():
        node.board.set_gpus([])
        async with asyncio.timeout(5):
            while node.told() is not None:
                await asyncio.sleep(0.01)
        node.there()
        await node.until(2)
    assert node.root.asked == [(SHORT, "ann"), (SHORT, OURSELVES)]
    assert node.told() is Timeslice.SHORT


async def test_the_next_agent_gives_it_to_the_driver_which_may_be_another(node: Node) -> None:
    await node.turns.set(GPU, Timeslice.SHORT, "ann")
    node.next_agent()
    assert node.told() is None
    async with node.running():
        await node.until(2)
    assert node.told() is Timeslice.SHORT


async def test_without_the_right_nothing_is_kept_and_the_command_is_said(node: Node) -> None:
    node.root.outcome = Missing(right="root", command="sudo nvidia-smi …")
    with pytest.raises(Refused) as refused:
        await node.turns.set(GPU, Timeslice.SHORT, "ann")
    assert "sudo nvidia-smi" in refused.value.hint
    node.next_agent()
    async with node.running():
        await asyncio.sleep(0.05)
    assert len(node.root.asked) == 1


async def test_what_the_driver_refuses_is_told_and_tried_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeslices, "RETRY_S", 0.02)
    node.root.outcome = Failed(text="it is asleep")
    problem = await node.turns.set(GPU, Timeslice.SHORT, "ann")
    assert problem
    assert "it is asleep" in problem.text
    async with node.running():
        await node.until(2)
        assert node.board.trouble("timeslice")
        node.root.outcome = Done()
        async with asyncio.timeout(5):
            while node.board.trouble("timeslice"):
                await asyncio.sleep(0.01)
    assert node.told() is Timeslice.SHORT


async def test_a_gpu_that_is_not_there_is_refused(node: Node) -> None:
    with pytest.raises(Refused, match="no GPU"):
        await node.turns.set("GPU-1", Timeslice.LONG, "ann")


def test_the_words_of_the_command_line_are_the_lengths_there_are() -> None:
    assert list(LENGTHS) == [one.value for one in Timeslice]
