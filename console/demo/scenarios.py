"""What happens to the demo's cluster after a while, by the name of its scenario; `calm` is nothing.

Each is done to the simulation or to real processes, and never painted into a reading.
"""

import asyncio
import os
import signal
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.demo.child import end, python, spawn
from console.demo.node import DemoNode
from console.demo.sshserver import SshServer
from console.demo.traffic import surge_file

AFTER_S = 30.0
"""What comes has something before it to be compared with."""
STOPPED_S, RUNS_S = 4.0, 1.0
LEFT_BY = "old/0"
_MARKER, _MARKER_STATE = "GPUYARD_INSTANCE", "GPUYARD_STATE"
"""By which an agent knows what its instances started (agents.processes.tree)."""


@dataclass(frozen=True)
class Stage:
    """Where it happens: the GPU `index` of `node`, which `service` has."""

    root: Path
    node: DemoNode
    index: int
    service: str
    server: SshServer

    @property
    def gpu_uuid(self) -> str:
        return self.node.gpus[self.index].uuid


async def play(scenario: str, stage: Stage) -> None:
    """Until cancelled where something goes on."""
    await asyncio.sleep(AFTER_S)
    await ACTS[scenario](stage)


async def _nothing(stage: Stage) -> None:
    pass


async def _contend(stage: Stage) -> None:
    """A stranger takes the GPU, and keeps it."""
    await _kept(stage, stage.gpu_uuid)


async def _left(stage: Stage) -> None:
    """A process with the mark of an instance that nobody knows holds memory."""
    marks = {_MARKER: LEFT_BY, _MARKER_STATE: str(stage.node.state)}
    await _kept(stage, stage.gpu_uuid, LEFT_BY, env={**os.environ, **marks})


async def _kept(stage: Stage, *arguments: str, env: Mapping[str, str] = os.environ) -> None:
    command = python("console.demo.foreign", stage.node.simulated, *arguments)
    process = await spawn(command, stage.root / "foreign.log", env)
    try:
        await process.wait()
    finally:
        await end(process)


async def _surge(stage: Stage) -> None:
    surge_file(stage.root, stage.service).touch()


async def _cut(stage: Stage) -> None:
    stage.server.cut(stage.node.name)


async def _slow(stage: Stage) -> None:
    """The agent gets no more than a second of five, as on a host that is short of everything."""
    while True:
        agent = _peer(stage.node.socket)
        os.kill(agent, signal.SIGSTOP)
        try:
            await asyncio.sleep(STOPPED_S)
        finally:
            os.kill(agent, signal.SIGCONT)
        await asyncio.sleep(RUNS_S)


def _peer(path: Path) -> int:
    """The pid of who listens there (SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])


def _becomes(**switches: object) -> Callable[[Stage], Awaitable[None]]:
    """Of the GPU, by the switches of a simulated one."""

    async def change(stage: Stage) -> None:
        stage.node.change(stage.index, switches)

    return change


ACTS: Mapping[str, Callable[[Stage], Awaitable[None]]] = {
    "calm": _nothing,
    "contention": _contend,
    "traffic-step": _surge,
    "xid": _becomes(xids=(119,), recovery="gpu_reset"),
    "gpu-lost": _becomes(xids=(79,), lost=True),
    "node-loss": _cut,
    "slow-node": _slow,
    "hung-engine": _becomes(hung=True),
    "orphan": _left,
}
