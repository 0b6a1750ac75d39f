"""Whether an engine was ended on purpose, for the agent that finds it gone after the one that ended it.

stop.json ──► signals ──► the engine's end ──► told, forgotten
     └─ an agent that dies in between leaves it: the next one neither tells of a crash nor counts one
"""

import contextlib

import msgspec

from agents import state
from agents.layout import InstanceLayout


class Stopping(msgspec.Struct, frozen=True):
    """The content of stop.json."""

    incarnation: int


def note(paths: InstanceLayout, incarnation: int) -> None:
    """To be called before the first signal. A disk that refuses keeps nobody from stopping an engine."""
    with contextlib.suppress(OSError):
        state.save(paths.stop, Stopping(incarnation))


def noted(paths: InstanceLayout, incarnation: int) -> bool:
    """Raises OSError."""
    return state.load(paths.stop, Stopping) == Stopping(incarnation)


def forget(paths: InstanceLayout) -> None:
    with contextlib.suppress(OSError):
        paths.stop.unlink(missing_ok=True)
