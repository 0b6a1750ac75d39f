"""Environments made from a directory of wheels, and what is left of those that were not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.errors import Refused
from agents.processes import tree
from agents.runtimes.maker import Maker
from agents.runtimes.making import Making
from agents.runtimes.runtimes import Runtimes
from tests.fakes.wheels import wheel


@pytest.fixture
def wheels(tmp_path: Path) -> str:
    wheel(tmp_path / "wheels", "vllm", "0.32.0")
    wheel(tmp_path / "wheels", "vllm", "0.31.0", module="import what_is_not_there")
    return str(tmp_path / "wheels")


@pytest.fixture
def known(tmp_path: Path) -> Runtimes:
    return Runtimes(tmp_path / "agent.toml", tmp_path / "runtimes")


@pytest.fixture
async def maker(known: Runtimes) -> AsyncIterator[Maker]:
    one = Maker(known)
    running = asyncio.create_task(one.run())
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert children() == []


def children() -> list[int]:
    mine = [one.pid for one in tree.everyone().values() if one.parent == os.getpid()]
    return [pid for pid in mine if b"agents.runtimes" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def over(maker: Maker, name: str) -> Making:
    async with asyncio.timeout(60):
        making = await maker.report(name, 0, 0)
        while not making.over:
            await maker.report(name, len(making.lines), 30)
        return making


async def under_way(maker: Maker, name: str) -> None:
    """Something of it is on the disk."""
    async with asyncio.timeout(30):
        while not children() or not list((maker.directory / name).glob("*")):
            await asyncio.sleep(0.02)


async def test_one_that_is_made_is_a_runtime(maker: Maker, known: Runtimes, wheels: str) -> None:
    making = await over(maker, maker.start("vllm==0.32.0", wheels, "ann"))
    assert (making.problem, making.step) == (None, "made")
    assert any("Successfully installed vllm-0.32.0" in line for line in making.lines)
    (found,) = await known.look()
    assert (found.name, found.version, found.made, found.problem) == ("vllm-0.32.0", "0.32.0", True, None)
    with pytest.raises(Refused, match="there is a runtime"):
        maker.start("vllm==0.32.0", wheels, "bob")


@pytest.mark.parametrize(("wanted", "said"), [("vllm==9.9", "No matching"), ("vllm==0.31.0", "what_is_not_there")])
async def test_one_that_fails_leaves_nothing(
    maker: Maker, known: Runtimes, wheels: str, wanted: str, said: str
) -> None:
    making = await over(maker, maker.start(wanted, wheels, "ann"))
    assert making.problem
    assert said in making.problem.text
    assert (list(maker.directory.iterdir()), known.known()) == ([], {})


async def test_one_that_is_stopped_leaves_nothing_and_two_are_never_made_at_once(maker: Maker, wheels: str) -> None:
    name = maker.start("vllm==0.32.0", wheels, "ann")
    with pytest.raises(Refused, match="being made"):
        maker.start("vllm==0.31.0", wheels, "bob")
    await under_way(maker, name)
    await maker.stop(name)
    making = await maker.report(name, 0, 0)
    assert (making.over, making.problem and making.problem.code) == (True, "stopped")
    assert (list(maker.directory.iterdir()), children()) == ([], [])


async def test_one_that_nobody_needs_is_removed_and_can_be_made_again(known: Runtimes, wheels: str) -> None:
    told: list[tuple[str, str, str]] = []
    users = {"vllm-0.32.0": ["chat/0"]}
    maker = Maker(known, lambda *one: told.append(one), users=lambda name: users.get(name, []))
    name = maker.start("vllm==0.32.0", wheels, "ann")
    with pytest.raises(Refused, match="is being made"):
        await maker.remove(name, "bob")
    await over(maker, name)
    with pytest.raises(Refused, match="is used by chat/0"):
        await maker.remove(name, "bob")
    assert name in known.known()
    users.clear()
    await maker.remove(name, "bob")
    assert (known.known(), list(maker.directory.iterdir())) == ({}, [])
    assert told == [("made", name, "ann"), ("removed", name, "bob")]
    with pytest.raises(Refused, match="there is no runtime"):
        await maker.remove(name, "bob")
    assert (await over(maker, maker.start("vllm==0.32.0", wheels, "ann"))).problem is None


async def test_what_gpuyard_did_not_make_is_not_removed(maker: Maker, known: Runtimes, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[runtimes.mine]\nengine = "vllm"\nvenv = "/opt/mine"\n')
    with pytest.raises(Refused, match=r"agent\.toml|did not make"):
        await maker.remove("mine", "ann")


async def test_an_installer_that_is_killed_leaves_nothing(maker: Maker, wheels: str) -> None:
    name = maker.start("vllm==0.32.0", wheels, "ann")
    await under_way(maker, name)
    os.killpg(children()[0], signal.SIGKILL)
    assert (await over(maker, name)).problem
    assert list(maker.directory.iterdir()) == []


async def test_what_an_agent_left_half_made_is_swept_away(known: Runtimes) -> None:
    half = known.made / "vllm-0.32.0" / "lib"
    half.mkdir(parents=True)
    running = asyncio.create_task(Maker(known).run())
    async with asyncio.timeout(10):
        while half.parent.exists():
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("wanted", "where", "said"),
    [
        ("vllm", "", "no NAME==VERSION"),
        ("numpy==1.0", "", "no engine is installed as numpy"),
        ("vllm==1", "/nowhere", "no directory of this node"),
        ("vllm==1", "here", "no directory of this node"),
        ("vllm==1", "EMPTY", "has no wheels"),
    ],
)
async def test_what_cannot_be_made_is_refused(maker: Maker, tmp_path: Path, wanted: str, where: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        maker.start(wanted, str(tmp_path) if where == "EMPTY" else where, "ann")


async def test_the_disk_is_looked_at_first(known: Runtimes, wheels: str) -> None:
    full = Maker(known, free=lambda path: 1000)
    for source in (wheels, ""):
        with pytest.raises(Refused, match="1,000 MiB free"):
            full.start("vllm==0.32.0", source, "ann")
