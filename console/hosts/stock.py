"""What hosts get, made once for all that need the same, whoever asks first."""

import asyncio
from importlib.metadata import version

from console.hosts import bundle, wheels
from console.hosts.choice import Choice, Target
from console.hosts.payload import Payload


class Stock:
    """Payloads by the kind of host that they fit."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[Target, bool], asyncio.Task[Payload]] = {}

    async def payload(self, choice: Choice) -> Payload:
        """Raises CannotGather."""
        kind = (choice.target, choice.python is None)
        if kind not in self._tasks:
            self._tasks[kind] = asyncio.create_task(_made(choice))
        return await asyncio.shield(self._tasks[kind])


async def _made(choice: Choice) -> Payload:
    if choice.python is None:
        return Payload("bundle", version("gpuyard"), [await bundle.build(choice.target)])
    return Payload("environment", version("gpuyard"), await wheels.gather(choice.target))
