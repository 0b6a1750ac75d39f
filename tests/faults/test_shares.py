"""Two engines that one GPU has not room for: never both at once, at whichever point the agent dies while one begins."""

import asyncio
import time
from contextlib import suppress

import pytest
from msgspec.structs import replace

from console.remote.errors import RemoteError
from engines.devices import Slice
from engines.simulated_device import SimulatedGpu, encode_devices
from profiles.desired.model import DesiredInstance
from profiles.observed.status import Phase
from tests.faults.invariants import broken
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

GPU = SimulatedGpu(uuid="GPU-0", index=0, name="Simulated", memory_total_mib=80_000)
POINTS = ("after-intent", "after-spec", "after-grant", "before-spawn", "shim-locked", "shim-recorded", "after-spawn",
          "after-adopt")  # fmt: skip
EDIT_LIMIT_S, DEATH_LIMIT_S = 5.0, 6.0


def half(node: FaultNode, name: str) -> DesiredInstance:
    """More than half of the GPU, so that there is room for one."""
    owned = node.spec(name, weights_mib=1000, kv_cache_mib=1000)
    return replace(owned, spec=replace(owned.spec, slices=(Slice(gpu_uuid="GPU-0", gpu_index=0, memory_mib=50_000),)))


async def begin(node: FaultNode, watcher: Watcher, point: str) -> None:
    """Both are asked for of an agent that dies at `point` of the first start."""
    began_s = time.monotonic()
    armed = node.start(wait=False, fail_points=f"{point}:kill")
    with suppress(RemoteError, TimeoutError, AssertionError):
        await watcher.until(lambda: watcher.since_s and watcher.since_s > began_s, "it streams", EDIT_LIMIT_S)
        both = {name: half(node, name) for name in ("a/0", "b/0")}
        await asyncio.wait_for(watcher.edit(lambda _: both), EDIT_LIMIT_S)
    while armed.poll() is None and time.monotonic() - began_s < DEATH_LIMIT_S:
        assert len(node.engines()) <= 1, point
        await asyncio.sleep(0.02)
    node.kill()


@pytest.mark.timeout(300)
async def test_one_gpu_is_never_given_twice_whenever_the_agent_dies(node: FaultNode) -> None:
    (node.root / "gpus" / "devices.json").write_bytes(encode_devices([GPU]))
    node.start()
    async with watching(node.layout.socket) as watcher:
        for point in POINTS:
            node.kill()
            await begin(node, watcher, point)
            await watcher.restarted(node)
            await watcher.edit(lambda _: {name: half(node, name) for name in ("a/0", "b/0")})

            def settled() -> bool:
                assert len(node.engines()) <= 1, "both run at once"
                there = watcher.instances.values()
                waiting = [one.reason for one in there if one.phase is Phase.PENDING and one.reason]
                ready = [one for one in there if one.phase is Phase.READY]
                return len(ready) == 1 and [why.code for why in waiting] == ["no_room"]

            await watcher.until(settled, f"{point}: one serves, the other waits")
            assert broken(node, watcher) == [], point
            await watcher.edit(lambda _: {})
            await watcher.until(lambda: not watcher.instances, "all is gone")
