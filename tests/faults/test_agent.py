"""F24–F35: the agent dies, stops, is started twice, loses its files; engines go on."""

import pytest

from tests.faults.invariants import broken
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher

pytestmark = pytest.mark.faults


async def test_f24_agent_killed_and_engines_go_on(node: FaultNode, watcher: Watcher) -> None:
    await watcher.edit(lambda _: {name: node.spec(name) for name in ("a/0", "b/0")})
    kept = {name: (await watcher.until_phase(name)).pid or 0 for name in ("a/0", "b/0")}
    for _ in range(5):
        node.kill()
        await watcher.restarted(node)
        assert {name: (await watcher.until_phase(name)).pid for name in kept} == kept
    assert broken(node, watcher, kept) == []
