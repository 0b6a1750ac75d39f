"""What happens to the demo's cluster after a while, by the name of its scenario; `calm` is nothing."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from console.demo.child import end, python, spawn
from console.demo.node import DemoNode

AFTER_S = 30.0
"""What comes has something before it to be compared with."""

FAULTS: Mapping[str, Mapping[str, object]] = {
    "xid": {"xids": (119,), "recovery": "gpu_reset"},
    "gpu-lost": {"xids": (79,), "lost": True},
}
"""What becomes of the GPU, by the switches of a simulated one."""


async def play(scenario: str, root: Path, nodes: Mapping[str, DemoNode], device: str) -> None:
    """On the GPU at `device`, which the cluster's busiest service has; until cancelled where something goes on."""
    await asyncio.sleep(AFTER_S)
    name, _, index = device.partition("/")
    node = nodes[name]
    if scenario == "contention":
        await _contend(root, node, node.gpus[int(index)].uuid)
    elif scenario in FAULTS:
        node.change(int(index), FAULTS[scenario])


async def _contend(root: Path, node: DemoNode, gpu_uuid: str) -> None:
    """A stranger takes the GPU, and keeps it."""
    process = await spawn(python("console.demo.foreign", node.simulated, gpu_uuid), root / "foreign.log")
    try:
        await process.wait()
    finally:
        await end(process)
