"""F24–F31, F49, F59, F61, F69: the agent and its shims die, stop, meet others of their kind; engines go on."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from agents.wire import DesiredSet, SetDesired
from console.remote.errors import RequestFailed
from profiles.observed.status import EventKind, Phase
from tests.faults.clock import moving_clock
from tests.faults.invariants import Usage, broken, untold
from tests.faults.load import load
from tests.faults.node import AGENT, FaultNode, wait_until
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

NAMES = ("a/0", "b/0")


async def with_engines(node: FaultNode, watcher: Watcher) -> dict[str, int]:
    await watcher.edit(lambda _: {name: node.spec(name) for name in NAMES})
    return {name: (await watcher.until_phase(name)).pid or 0 for name in NAMES}


async def test_f24_agent_killed_and_engines_go_on(node: FaultNode, watcher: Watcher) -> None:
    kept = await with_engines(node, watcher)
    baseline = Usage.of(node)
    for _ in range(5):
        node.kill()
        await watcher.restarted(node)
        assert {name: (await watcher.until_phase(name)).pid for name in kept} == kept
    assert broken(node, watcher, kept) == []
    await watcher.until(lambda: Usage.of(node).within(baseline), f"{baseline} again, not {Usage.of(node)}")


async def test_f28_an_agent_out_of_memory_takes_no_engine_with_it(node: FaultNode, watcher: Watcher) -> None:
    """Address space for nothing more: whatever it does next fails, or kills it."""
    kept = await with_engines(node, watcher)
    assert node.agent is not None
    used = psutil.Process(node.agent.pid).memory_info().vms
    resource.prlimit(node.agent.pid, resource.RLIMIT_AS, (used, used))
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as one:
            one.setblocking(False)
            one.connect_ex(str(node.layout.socket))
    await asyncio.sleep(1)
    if node.agent.poll() is None:
        node.kill()
    node.agent = None
    await watcher.restarted(node)
    assert {name: (await watcher.until_phase(name)).pid for name in kept} == kept
    assert broken(node, watcher, kept) == []


async def test_f29_a_flood_of_clients_costs_the_others_nothing(node: FaultNode, watcher: Watcher) -> None:
    kept = await with_engines(node, watcher)
    baseline = Usage.of(node)
    assert node.agent is not None
    files = psutil.Process(node.agent.pid).num_fds()
    resource.prlimit(node.agent.pid, resource.RLIMIT_NOFILE, (files + 40, files + 40))
    flood = []
    for _ in range(200):
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        one.connect_ex(str(node.layout.socket))
        flood.append(one)
    heard_s = watcher.last_s
    await watcher.until(lambda: watcher.last_s > heard_s + 3, "who was there before goes on hearing")
    for one in flood:
        one.close()
    await watcher.edit(lambda now: now | {"c/0": node.spec("c/0")})
    await watcher.until_phase("c/0")
    assert broken(node, watcher, kept) == []
    await watcher.until(lambda: Usage.of(node).within(baseline, more_files=4), "files and children are as before")


@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_f30_a_lost_socket_comes_again(node: FaultNode, watcher: Watcher, how: str) -> None:
    kept = await with_engines(node, watcher)
    place = node.layout.socket
    place.unlink()
    if how == "replaced":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(place))
    await watcher.until(lambda: any(one.code == "socket_lost" for one in watcher.events), "it is told")
    async with watching(place) as second:
        await second.until(lambda: second.since_s, "a new console comes in")
        assert watcher.since_s, "the old one stays"
    assert broken(node, watcher, kept) == []


def test_f31_of_a_hundred_agents_one_runs(node: FaultNode) -> None:
    argv = [*AGENT, "serve", "--state", str(node.state), "--simulated", str(node.root / "gpus")]
    everyone = [
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
        for _ in range(100)
    ]
    try:
        wait_until(lambda: sum(one.poll() is None for one in everyone) == 1, "all but one have ended", 120)
        alive = next(one for one in everyone if one.poll() is None)
        wait_until(lambda: node.layout.socket.exists(), "the one serves")
        assert (node.state / "agent.lock").read_text() == f"{alive.pid}\n"
        for one in everyone:
            if one is not alive:
                assert one.returncode == 1
                assert b"already serves" in one.stderr.read()  # type: ignore[union-attr]
    finally:
        for one in everyone:
            one.kill()
            one.communicate()


async def test_f49_a_shim_dies_and_its_engine_does_not(node: FaultNode, watcher: Watcher) -> None:
    """Then the agent's own watch is what sees the end, whose status nobody knows."""
    kept = await with_engines(node, watcher)
    async with load([watcher.instances[name].port or 0 for name in NAMES]) as counted:
        for name in NAMES:
            os.kill(node.shim_of(kept[name]), signal.SIGKILL)
        await watcher.until(lambda: counted.served > 20, "requests go on")
        node.kill()
        await watcher.restarted(node)
        assert {name: (await watcher.until_phase(name)).pid for name in kept} == kept
    assert counted.failed == {}
    assert broken(node, watcher, kept) == []
    os.kill(kept["a/0"], signal.SIGKILL)
    await watcher.until(lambda: (watcher.instances["a/0"].pid or 0) not in (0, kept["a/0"]), "it is started again")
    ends = [event.code for event in watcher.events if event.kind is EventKind.EXIT]
    assert ends == ["lost"]
    assert untold(node, watcher.events) == []


async def test_f59_a_clock_that_jumps_moves_nothing_but_the_clock(node: FaultNode, tmp_path: Path) -> None:
    """± 10 years between two agents and while one runs, for the whole process."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    node.environ |= {"LD_PRELOAD": str(moving_clock(tmp_path)), "FAULTS_CLOCK": str(offset)}
    node.start()
    async with watching(node.layout.socket) as watcher:
        kept = await with_engines(node, watcher)
        for years in (10, -10, 0):
            offset.write_text(str(years * 365 * 86400))
            heard_s = watcher.last_s
            await watcher.until(lambda at=heard_s: watcher.last_s > at + 2, "frames go on")
            assert all(watcher.instances[name].phase is Phase.READY for name in kept)
            node.kill()
            await watcher.restarted(node)
            assert {name: (await watcher.until_phase(name)).pid for name in kept} == kept
            wanted = time.time() + years * 365 * 86400
            await watcher.until(lambda at=wanted: abs(last_started(watcher) - at) < 3600, "its clock has jumped")
        os.kill(kept["a/0"], signal.SIGKILL)
        offset.write_text(str(-3600))
        await watcher.until(lambda: (watcher.instances["a/0"].pid or 0) not in (0, kept["a/0"]), "it is started again")
        assert broken(node, watcher, {"b/0": kept["b/0"]}) == []


async def test_f61_of_two_consoles_at_once_one_wins(node: FaultNode, watcher: Watcher) -> None:
    async with watching(node.layout.socket) as other:
        await other.until(lambda: other.since_s, "the second console is there")
        won = {"first": 0, "second": 0}
        for turn in range(20):
            generation = watcher.desired.generation
            await other.until(lambda at=generation: other.desired.generation == at, "both know the same")
            asks = {
                who: SetDesired(expected_generation=generation, instances={}, author=who, reason=f"turn {turn}")
                for who in won
            }
            answers = await asyncio.gather(
                patient(watcher, asks["first"]), patient(other, asks["second"]), return_exceptions=True
            )
            winners = [who for who, answer in zip(won, answers, strict=True) if isinstance(answer, DesiredSet)]
            assert len(winners) == 1, answers
            won[winners[0]] += 1
            await watcher.until(lambda at=generation: watcher.desired.generation == at + 1, "one generation more")
            assert watcher.desired.reason == f"turn {turn}"
    assert broken(node, watcher) == []


async def test_f69_an_engine_killed_by_hand_is_told_and_comes_back(node: FaultNode, watcher: Watcher) -> None:
    kept = await with_engines(node, watcher)
    os.kill(kept["a/0"], signal.SIGKILL)
    await watcher.until(lambda: (watcher.instances["a/0"].pid or 0) not in (0, kept["a/0"]), "it is started again")
    ends = [event.text for event in watcher.events if event.kind is EventKind.EXIT]
    assert len(ends) == 1
    assert "SIGKILL" in ends[0]
    assert broken(node, watcher, {"b/0": kept["b/0"]}) == []


def last_started(watcher: Watcher) -> float:
    return [event.at_unix_s for event in watcher.events if event.code == "agent_started"][-1]


async def patient(watcher: Watcher, ask: SetDesired) -> DesiredSet:
    """Again when the node is busy: the limit of changes a second is not what is tested."""
    while True:
        try:
            return await watcher.request(ask, DesiredSet)
        except RequestFailed as failed:
            if failed.reason.code != "busy":
                raise
            await asyncio.sleep(failed.retry_after_s or 0.1)
