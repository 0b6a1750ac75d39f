"""F55: the agent dies between an MPS daemon and its client; no client starts twice, and no daemon is left alone."""

import contextlib
import os
from pathlib import Path

import msgspec
import pytest

from console.demo.mps import install
from console.remote.errors import Lost
from engines.devices import Enforcer, Slice
from engines.simulated_device import SimulatedGpu, encode_devices
from profiles.desired.model import DesiredInstance
from profiles.observed.status import Phase
from tests.faults.invariants import broken
from tests.faults.node import FaultNode, wait_until
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

GPU = SimulatedGpu(uuid="GPU-a", index=0, name="Simulated", memory_total_mib=80_000)
PART = Slice(gpu_uuid=GPU.uuid, gpu_index=0, memory_mib=12_000, memory_enforcer=Enforcer.MPS, gpu_memory_mib=80_000)


@pytest.fixture
def shared(node: FaultNode) -> FaultNode:
    (node.root / "gpus" / "devices.json").write_bytes(encode_devices([GPU]))
    node.environ["PATH"] = f"{install(node.root / 'bin')}:{os.environ['PATH']}"
    return node


def client(node: FaultNode, name: str) -> DesiredInstance:
    owned = node.spec(name, weights_mib=1000, kv_cache_mib=1000)
    return msgspec.structs.replace(owned, spec=msgspec.structs.replace(owned.spec, slices=(PART,)))


def daemons(node: FaultNode) -> list[int]:
    return [pid for name, pids in node.engines().items() if name.startswith("_mps-") for pid in pids if commanded(pid)]


def commanded(pid: int) -> bool:
    return b"-f" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


@pytest.mark.parametrize("point", ["after-spec", "shim-spawned", "after-grant", "before-spawn@2"])
async def test_f55_an_agent_that_dies_on_the_way_to_a_client_leaves_one_daemon(shared: FaultNode, point: str) -> None:
    shared.start(fail_points=f"{point}:kill")
    async with watching(shared.layout.socket) as watcher:
        with contextlib.suppress(Lost):  # it may die before it answers
            await watcher.edit(lambda _: {"a/0": client(shared, "a/0")})
        assert shared.agent
        if point.startswith("shim"):
            shared.kill()
        else:
            wait_until(lambda: shared.agent and shared.agent.poll() is not None, "the agent dies")
        await watcher.restarted(shared)
        pid = (await watcher.until_phase("a/0", Phase.READY)).pid or 0
        assert len(daemons(shared)) == 1
        assert broken(shared, watcher, {"a/0": pid}) == []
        await ends(shared, watcher)


async def test_f55_an_agent_that_dies_while_its_daemon_ends_leaves_none(shared: FaultNode) -> None:
    shared.start(fail_points="before-kill@2:kill")
    async with watching(shared.layout.socket) as watcher:
        await watcher.edit(lambda _: {"a/0": client(shared, "a/0")})
        await watcher.until_phase("a/0", Phase.READY)
        await watcher.edit(lambda _: {})
        wait_until(lambda: shared.agent and shared.agent.poll() is not None, "the agent dies")
        await watcher.restarted(shared)
        wait_until(lambda: not daemons(shared), "the daemon ends")


async def ends(node: FaultNode, watcher: Watcher) -> None:
    await watcher.edit(lambda _: {})
    wait_until(lambda: not node.engines(), "the client and its daemon end")
