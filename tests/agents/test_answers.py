"""A change that is sent again is answered again and done once."""

import asyncio
from pathlib import Path

import pytest

from agents import wire
from agents.access.answers import KEPT_S, Answers
from agents.errors import Refused


def ask(key: str = "9f", generation: int = 0) -> wire.SetDesired:
    return wire.SetDesired(expected_generation=generation, instances={}, author="ann", reason="r", key=key)


class Work:
    """Counts how often it was done; `gate` holds it back."""

    def __init__(self) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuse = False

    async def act(self) -> wire.DesiredSet:
        await self.gate.wait()
        if self.refuse:
            raise Refused("stale", "moved on")
        self.done += 1
        return wire.DesiredSet(generation=self.done)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


async def test_the_same_key_is_done_once_for_each_person(file: Path) -> None:
    answers, work = Answers(file), Work()
    assert await answers.once("ann", ask(), work.act) == await answers.once("ann", ask(), work.act)
    assert work.done == 1
    await answers.once("bob", ask(), work.act)
    assert work.done == 2


async def test_without_a_key_each_is_another(file: Path) -> None:
    answers, work = Answers(file), Work()
    for _ in range(2):
        await answers.once("ann", ask(""), work.act)
    assert work.done == 2
    assert not file.exists()


async def test_another_request_under_the_same_key_is_refused(file: Path) -> None:
    answers, work = Answers(file), Work()
    work.gate.clear()
    first = asyncio.create_task(answers.once("ann", ask(), work.act))
    await asyncio.sleep(0)
    for _ in range(2):
        with pytest.raises(Refused, match="another request"):
            await answers.once("ann", ask(generation=5), work.act)
        work.gate.set()
        await first
    with pytest.raises(Refused, match="letters"):
        await answers.once("ann", ask("no key!"), work.act)


async def test_who_asks_while_it_runs_waits_for_the_same_answer_though_the_first_is_gone(file: Path) -> None:
    answers, work = Answers(file), Work()
    work.gate.clear()
    asked = [asyncio.create_task(answers.once("ann", ask(), work.act)) for _ in range(5)]
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.sleep(0)
    work.gate.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [wire.DesiredSet(generation=1)] * 4
    assert work.done == 1


async def test_a_refusal_is_not_kept(file: Path) -> None:
    answers, work = Answers(file), Work()
    work.refuse = True
    with pytest.raises(Refused):
        await answers.once("ann", ask(), work.act)
    work.refuse = False
    assert (await answers.once("ann", ask(), work.act)).generation == 1  # type: ignore[union-attr]


async def test_answers_outlive_the_agent_a_torn_line_and_damage(file: Path) -> None:
    work = Work()
    for key in ("a", "b", "c"):
        await Answers(file).once("ann", ask(key), work.act)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"\xff nonsense\n" + lines[2] + b'{"person":"ann","key":"d"')
    answers = Answers(file)
    for key in ("a", "c"):
        await answers.once("ann", ask(key), work.act)
    assert work.done == 3
    await answers.once("ann", ask("d"), work.act)
    assert work.done == 4
    await Answers(file).once("ann", ask("d"), work.act)
    assert work.done == 4


async def test_they_are_kept_for_a_day_and_so_many(file: Path) -> None:
    now, work = [0.0], Work()
    answers = Answers(file, kept=3, wall=lambda: now[0])
    for number in range(8):
        await answers.once("ann", ask(f"k{number}"), work.act)
    assert work.done == 8
    assert len(file.read_bytes().splitlines()) <= 6
    await answers.once("ann", ask("k7"), work.act)
    assert work.done == 8
    await answers.once("ann", ask("k1"), work.act)
    assert work.done == 9
    now[0] = KEPT_S
    await answers.once("ann", ask("k7"), work.act)
    assert work.done == 10
    assert len(Answers(file, wall=lambda: KEPT_S * 3)._answered) == 0


async def test_a_disk_that_refuses_undoes_nothing(tmp_path: Path) -> None:
    answers, work = Answers(tmp_path / "gone" / "answers.jsonl"), Work()
    await answers.once("ann", ask(), work.act)
    await answers.once("ann", ask(), work.act)
    assert work.done == 1
