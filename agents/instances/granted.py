"""What one instance was granted of GPUs, and whether its engine is held to it.

take ──► the engine starts … serves ⇄ Confinement looks ──► it is verifiably gone ──► give_back
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from agents.errors import AgentError
from agents.instances.context import Context
from engines.devices import Slice
from profiles.observed.status import GpuState, Reason

logger = logging.getLogger(__name__)


class Granted:
    """Of one instance, over all its incarnations."""

    def __init__(self, context: Context, instance: str) -> None:
        self._context = context
        self._instance = instance
        self._slices: tuple[Slice, ...] = ()

    def found(self, slices: tuple[Slice, ...]) -> None:
        """An earlier agent may have taken them."""
        self._slices = slices

    async def take(self, slices: tuple[Slice, ...]) -> dict[str, str]:
        """What the engine's environment needs. Raises CannotGrant."""
        if self._slices != slices:
            await self.give_back()
        self._slices = slices
        return (await self._context.fractions.grant(self._instance, slices)).env

    async def give_back(self) -> None:
        """Once; nothing of the engine is left."""
        slices, self._slices = self._slices, ()
        if slices:
            await self._context.fractions.release(self._instance, slices)


class Confinement:
    """Runs from `__init__` to `close`. `changed` is called when `problem` is another one."""

    def __init__(self, context: Context, instance: str, slices: Sequence[Slice], changed: Callable[[], None]) -> None:
        self.problem: Reason | None = None
        self._context = context
        self._instance = instance
        self._slices = slices
        self._changed = changed
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        """At once, when its processes on the GPUs are others, and every `confined_s`."""
        pace, loop = self._context.pace, asyncio.get_running_loop()
        seen, due_s = frozenset[int](), loop.time()
        while self._slices:
            pids = self._pids()
            if pids != seen or loop.time() >= due_s:
                seen, due_s = pids, loop.time() + pace.confined_s
                problem = await self._verified(pids)
                if problem != self.problem:
                    self.problem = problem
                    self._changed()
            await asyncio.sleep(pace.look_s)

    async def _verified(self, pids: frozenset[int]) -> Reason | None:
        try:
            return await self._context.fractions.verify(self._instance, self._slices, pids)
        except (OSError, AgentError) as error:  # of the node, not of the engine
            logger.warning("%s: %s", self._instance, error)
            return self.problem

    def _pids(self) -> frozenset[int]:
        """Its processes on the GPUs of its slices, as far as their readings go."""
        uuids = {one.gpu_uuid for one in self._slices}
        read = (gpu for gpu in self._context.board.status().gpus if gpu.uuid in uuids and gpu.state is GpuState.OK)
        return frozenset(one.pid for gpu in read for one in gpu.processes if one.instance == self._instance)
