"""A GPU that its driver has given up: what runs there is left alone, nothing new begins, and no agent forgets it."""

import pytest
from msgspec.structs import replace

from engines.devices import Slice
from engines.simulated_device import SimulatedGpu, encode_devices
from profiles.desired.model import DesiredInstance
from profiles.observed.status import Phase
from tests.faults.node import FaultNode
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

GPUS = [SimulatedGpu(uuid=f"GPU-{at}", index=at, name="Simulated", memory_total_mib=80_000) for at in range(2)]


def become(node: FaultNode, *gpus: SimulatedGpu) -> None:
    draft = node.root / "gpus" / "devices.new"
    draft.write_bytes(encode_devices(gpus))
    draft.replace(node.root / "gpus" / "devices.json")


def on(node: FaultNode, name: str, gpu: SimulatedGpu, memory_mib: int | None = None) -> DesiredInstance:
    owned = node.spec(name, weights_mib=1000, kv_cache_mib=1000)
    part = Slice(gpu_uuid=gpu.uuid, gpu_index=gpu.index, memory_mib=memory_mib)
    return replace(owned, spec=replace(owned.spec, slices=(part,)))


async def told(watcher: Watcher, code: str) -> str:
    await watcher.until(lambda: any(event.code == code for event in watcher.events), f"{code} is told")
    return next(event.text for event in watcher.events if event.code == code)


async def test_f51_nothing_begins_on_a_gpu_with_a_grave_error_and_what_runs_there_goes_on(node: FaultNode) -> None:
    become(node, *GPUS)
    node.start()
    async with watching(node.layout.socket) as watcher:
        await watcher.edit(lambda _: {"a/0": on(node, "a/0", GPUS[0])})
        pid = (await watcher.until_phase("a/0", Phase.READY)).pid
        become(node, replace(GPUS[0], xids=(119,)), replace(GPUS[1], xids=(48,)))
        assert (await told(watcher, "xid")).startswith("gpu0 XID 119: its system processor (GSP) does not answer — ")
        await watcher.until(lambda: sum(event.code == "xid" for event in watcher.events) == 2, "both are told")
        await watcher.edit(lambda there: there | {"b/0": on(node, "b/0", GPUS[1])})
        await watcher.until(lambda: (one := watcher.instances.get("b/0")) and one.reason, "b/0 says why it waits")
        waits = await watcher.until_phase("b/0", Phase.PENDING)
        assert waits.reason is not None
        assert (waits.reason.code, waits.reason.text) == ("gpu_unfit", "XID 48: a double-bit ECC error")
        assert (watcher.instances["a/0"].phase, watcher.instances["a/0"].pid) == (Phase.READY, pid)
        node.kill()
        await watcher.restarted(node)
        assert (await watcher.until_phase("a/0", Phase.READY)).pid == pid
        await watcher.until(
            lambda: (one := watcher.instances.get("b/0")) and one.reason and one.reason.code == "gpu_unfit",
            "the next agent knows it",
        )
        assert sum(event.code == "xid" for event in watcher.events) == 2


async def test_f51_a_lost_gpu_is_told_its_engine_waits_and_starts_again_when_it_is_back(node: FaultNode) -> None:
    become(node, *GPUS)
    node.start()
    async with watching(node.layout.socket) as watcher:
        await watcher.edit(
            lambda _: {name: on(node, name, gpu) for name, gpu in zip(("a/0", "b/0"), GPUS, strict=True)}
        )
        pids = {name: (await watcher.until_phase(name, Phase.READY)).pid for name in ("a/0", "b/0")}
        become(node, GPUS[0], replace(GPUS[1], lost=True))
        assert await told(watcher, "gpu_lost_began") == "gpu1 is lost"
        await watcher.until(lambda: (why := watcher.instances["b/0"].reason) and why.code == "gpu_unfit", "b/0 waits")
        become(node, *GPUS)
        assert await told(watcher, "gpu_lost_ended") == "gpu1 is back"
        assert (await watcher.until_phase("b/0", Phase.READY)).pid != pids["b/0"]
        assert watcher.instances["a/0"].pid == pids["a/0"]
