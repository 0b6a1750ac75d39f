"""How long a process has a GPU to itself that is shared by turns. The driver forgets it when it is loaded anew.

set ──► timeslices.json ──► the driver ──► the GPU goes (lost, driver gone) and comes back ──► the driver once more

Done by root alone: an agent without that right refuses, and says what an admin would type.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from agents import state
from agents.board import Board
from agents.errors import Refused
from agents.layout import Layout
from agents.privilege.answers import Failed, Missing
from agents.privilege.calls import SetTimeslice
from agents.privilege.privileged import Privileged
from engines.devices import Timeslice
from profiles.observed.status import GpuReading, GpuState, Reason

LOOK_S = 5.0
RETRY_S = 60.0
OURSELVES = "gpuyard-agent"


class Wanted(msgspec.Struct, frozen=True):
    """timeslices.json. A GPU that is not in it is as its driver has it."""

    gpus: dict[str, Timeslice] = {}


class Timeslices:
    """Of one node. `told` and `run` go by its board."""

    def __init__(self, layout: Layout, board: Board, privileged: Privileged) -> None:
        self._path = layout.timeslices
        self._board = board
        self._privileged = privileged
        found = state.load(self._path, Wanted)
        self._wanted = found if isinstance(found, Wanted) else Wanted()
        self._set: dict[str, float | None] = {}
        """By GPU, once it was asked of the driver: None is done, else when it is asked again."""

    async def set(self, gpu_uuid: str, to: Timeslice, author: str) -> Reason | None:
        """Why the driver does not have it yet, which is tried again. Raises Refused, OSError."""
        if all(gpu.uuid != gpu_uuid for gpu in self._board.status().gpus):
            raise Refused("not_found", f"this node reports no GPU {gpu_uuid}", "see `gpuyard gpus`")
        problem = await self._ask(gpu_uuid, to, author)
        if problem and problem.code == "no_right":
            raise Refused("unavailable", problem.text, problem.hint)
        wanted = Wanted(self._wanted.gpus | {gpu_uuid: to})
        state.save(self._path, wanted)
        self._wanted = wanted
        return problem

    def told(self, gpus: Sequence[GpuReading]) -> Sequence[GpuReading]:
        """With what was set, where the driver has it."""
        if not self._wanted.gpus:
            return gpus
        done = {uuid: to for uuid, to in self._wanted.gpus.items() if self._set.get(uuid, 0.0) is None}
        return [msgspec.structs.replace(gpu, timeslice=done[gpu.uuid]) if gpu.uuid in done else gpu for gpu in gpus]

    async def run(self) -> None:
        """Until cancelled: give the driver what it does not have."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        there = {gpu.uuid for gpu in self._board.status().gpus if gpu.state is not GpuState.LOST}
        self._set = {uuid: due for uuid, due in self._set.items() if uuid in there}
        now_s = asyncio.get_running_loop().time()
        for uuid in there & self._wanted.gpus.keys():
            due_s = self._set.get(uuid, 0.0)
            if due_s is not None and now_s >= due_s:
                self._board.set_trouble("timeslice", await self._tried(uuid))

    async def _tried(self, gpu_uuid: str) -> Reason | None:
        try:
            return await self._ask(gpu_uuid, self._wanted.gpus[gpu_uuid], OURSELVES)
        except Refused as refused:  # it cannot be put on record
            return Reason("timeslice", refused.message, refused.hint)

    async def _ask(self, gpu_uuid: str, to: Timeslice, author: str) -> Reason | None:
        self._set[gpu_uuid] = asyncio.get_running_loop().time() + RETRY_S
        match await self._privileged.do(SetTimeslice(gpu=gpu_uuid, to=to), author):
            case Missing() as missing:
                return missing.reason
            case Failed(text=text):
                hint = "it is tried again every minute"
                return Reason("timeslice", f"the driver did not take {to} turns on {gpu_uuid}: {text}", hint)
        self._set[gpu_uuid] = None
        return None
