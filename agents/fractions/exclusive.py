"""A GPU on which only its MPS server may compute: whoever would get by the daemon, of any user, the driver refuses.

enter ──► marker ──► EXCLUSIVE_PROCESS … leave ──► default mode ──► no marker

An agent that has the right does it while the daemon runs; without it, clients are looked for in the daemon's list, as
they are anyway. A GPU that somebody else made exclusive, or is on already, is left as it is. The marker is there
before the mode is set: an agent that was killed takes the mode back with the daemon.
"""

import contextlib
from pathlib import Path

from agents.board import Board
from agents.errors import Refused
from agents.privilege.calls import ComputeMode, SetComputeMode
from agents.privilege.privileged import Privileged
from profiles.observed.status import GpuReading

OURSELVES = "gpuyard-agent"
DEFAULT_MODE = "default"


class Exclusive:
    """Of one GPU. `privileged` None is an agent whose GPUs are simulated."""

    def __init__(self, marker: Path, gpu_uuid: str, board: Board, privileged: Privileged | None) -> None:
        self._marker = marker
        self._gpu_uuid = gpu_uuid
        self._board = board
        self._privileged = privileged

    async def enter(self) -> None:
        """As far as the agent may. Raises OSError."""
        status = self._board.status()
        card = next((one for one in status.gpu_cards if one.uuid == self._gpu_uuid), None)
        gpu = next((one for one in status.gpus if one.uuid == self._gpu_uuid), None)
        if card is None or gpu is None or card.compute_mode != DEFAULT_MODE or _is_others(gpu):
            return
        self._marker.touch(mode=0o600)
        await self._set(ComputeMode.EXCLUSIVE)

    async def leave(self) -> None:
        """A marker that cannot be removed has it done once more."""
        if self._marker.exists():
            await self._set(ComputeMode.DEFAULT)
            with contextlib.suppress(OSError):
                self._marker.unlink(missing_ok=True)

    async def _set(self, mode: ComputeMode) -> None:
        call = SetComputeMode(gpu=self._gpu_uuid, to=mode)
        if self._privileged is None or self._privileged.may(call):
            return
        try:
            await self._privileged.do(call, OURSELVES)
        except Refused:
            return  # it cannot be put on record, so it is not done


def _is_others(gpu: GpuReading) -> bool:
    """Whether somebody who is no client of ours would be shut out."""
    return bool(gpu.claims) or any(process.instance is None for process in gpu.processes)
