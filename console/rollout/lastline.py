"""The last line that the engine in hand has printed."""

from console.logs import Interrupted
from console.operations import Operations
from console.remote.errors import RequestFailed
from profiles.plans.plan import Step

TAIL_BYTES = 2048


async def last_line(operations: Operations, step: Step) -> str:
    """ "" where there is none, or it may not be read."""
    text = ""
    try:
        async for piece in operations.log(step.node, step.instance, tail_bytes=TAIL_BYTES):
            if not isinstance(piece, Interrupted):
                text += piece.text
    except RequestFailed:
        return ""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
