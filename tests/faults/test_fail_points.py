"""F25: the agent or its shim dies, or the disk fails, at each named point of each verb; REPEATS (1) times.

More than once takes all verbs for every point, and after the deaths also errors and halts.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from agents.failpoints import POINTS
from console.remote.errors import RemoteError
from tests.faults.invariants import broken, untold
from tests.faults.kills import as_wanted, edited
from tests.faults.load import load
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

REPEATS = int(os.environ.get("REPEATS") or 1)
SEED = int(os.environ.get("SEED") or 1)
VERBS = ("start", "restart", "apply", "stop", "start", "remove")
STARTS = ("start", "restart")
STOPS = ("start", "stop")
EDIT_LIMIT_S, LIFE_LIMIT_S = 5.0, 4.0


def cases() -> Iterator[tuple[str, str, str]]:
    """(point, action, verb)."""
    first_of_a_stop = POINTS.index("before-terminate")
    for repeat in range(REPEATS):
        action = ("kill", "error", "stop")[repeat % 3]
        for at, point in enumerate(POINTS):
            if action == "error" and point.startswith("shim-"):
                continue  # not an error that a disk or a kernel could make there
            verbs = VERBS if REPEATS > 1 else STOPS if at >= first_of_a_stop or at < 6 else STARTS
            for verb in verbs:
                yield point, action, verb


@pytest.mark.timeout(300 + 900 * REPEATS)
async def test_f25_agent_or_shim_dies_at_every_point_of_every_verb(
    node: FaultNode, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    node.start()
    count = died = 0
    async with watching(node.layout.socket) as watcher:
        await watcher.edit(lambda _: {"u/0": node.spec("u/0")})
        kept = {"u/0": (await watcher.until_phase("u/0")).pid or 0}
        async with load([watcher.instances["u/0"].port or 0]) as counted:
            for point, action, verb in cases():
                what = f"{point}@{chance.randint(1, 3 if point in POINTS[:4] else 1)}:{action}"
                died += await _play(node, watcher, what, verb)
                assert broken(node, watcher, kept) == [], f"{what} {verb}"
                count += 1
        assert counted.failed == {}
    with capsys.disabled():
        print(f"\nseed {SEED}: {count} fail points × verbs, of which {died} ended the agent; {counted.served} requests "
              "of an engine beside them served, none failed")  # fmt: skip
    assert died >= count / 3, "the points of the agent are really reached"


async def _play(node: FaultNode, watcher: Watcher, what: str, verb: str) -> bool:
    """One agent with the fail point armed, then one without, which must bring everything in order.

    Whether the first one died of it.
    """
    node.kill()
    began_s = time.monotonic()
    armed = node.start(wait=False, fail_points=what)
    with suppress(RemoteError, TimeoutError, AssertionError):
        await watcher.until(lambda: _streams(watcher, began_s) or armed.poll() is not None, "it serves, or is gone")
        edit = watcher.edit(lambda now: edited(node, now, "a/0", verb), what)
        done = await asyncio.wait_for(edit, EDIT_LIMIT_S)
        await watcher.until(lambda: watcher.desired.generation >= done.generation, "the edit is shown", EDIT_LIMIT_S)
    while armed.poll() is None and time.monotonic() - began_s < LIFE_LIMIT_S and not _settled(watcher, began_s):
        await asyncio.sleep(0.01)
    died = armed.poll() is not None
    node.kill()
    await watcher.restarted(node)
    try:
        await watcher.until(lambda: _settled(watcher, began_s), f"{what} {verb}: all is as wanted", 45)
        # A restart may have only just begun; once it is through, each end was told exactly once.
        await watcher.until(
            lambda: not untold(node, watcher.events) and _settled(watcher, began_s), f"{what} {verb}: every end is told"
        )
    except AssertionError as error:
        raise AssertionError(f"{error}\n{node.said[-2000:]}") from None
    return died


def _streams(watcher: Watcher, since_s: float) -> bool:
    return watcher.since_s is not None and watcher.since_s > since_s


def _settled(watcher: Watcher, since_s: float) -> bool:
    wanted = watcher.desired.instances
    names = wanted.keys() | watcher.instances.keys()
    return _streams(watcher, since_s) and all(
        as_wanted(wanted.get(name), watcher.instances.get(name)) for name in names
    )
