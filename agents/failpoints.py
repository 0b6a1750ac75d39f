"""Named points where a test makes a process die, halt, fail or wait. Standard library only: the shim reads it too.

    GPUYARD_FAIL_POINT=after-spawn:kill            SIGKILL to the process that gets there
                       before-rename@2:error       OSError, the second time
                       shim-spawned:stop           SIGSTOP
                       after-intent:delay:0.5      half a second
    several, with commas between them

The environment is read once, when the module is loaded; engines never inherit it. `POINTS` and `REPARTITION_POINTS` are
the whole list, so that a test can walk it.
"""

import errno
import os
import signal
import time
from collections.abc import Mapping

VARIABLE = "GPUYARD_FAIL_POINT"

POINTS = (
    # agents.state and agents.events: every file
    "before-write", "before-rename", "after-rename", "before-event",
    # agents.instances.supervisor: an edit
    "before-intent", "after-intent",
    # agents.instances.runner and agents.processes.process: a start, in order, with the shim's part
    "after-spec", "after-grant", "before-spawn", "shim-locked", "shim-detached", "shim-spawned", "shim-recorded",
    "after-spawn", "after-adopt",
    # a stop
    "before-terminate", "before-kill", "shim-reaped", "shim-ended", "after-stop",
)  # fmt: skip

REPARTITION_POINTS = (
    # agents.fractions: each phase of a change of MIG, once it is in the journal
    "mig-planned", "mig-draining", "mig-stopping", "mig-quiet", "mig-releasing", "mig-mode", "mig-destroying",
    "mig-creating", "mig-verifying", "mig-restarting", "mig-ready", "mig-stuck",
    # and what was just done in it
    "mig-destroyed", "mig-created",
)  # fmt: skip

ACTIONS = ("kill", "stop", "error", "delay")


class Armed:
    """What happens at one point, the `turn`-th time that it is reached."""

    def __init__(self, action: str, argument: str, turn: int) -> None:
        self.action, self.argument, self.turn = action, argument, turn
        self.reached = 0


def parse(text: str) -> dict[str, Armed]:
    """Raises ValueError for a point or an action that does not exist: a test that misspells one would test nothing."""
    armed = {}
    for entry in filter(None, text.split(",")):
        place, _, rest = entry.partition(":")
        point, _, turn = place.partition("@")
        action, _, argument = rest.partition(":")
        if point not in POINTS + REPARTITION_POINTS or action not in ACTIONS:
            raise ValueError(f"{VARIABLE}: {entry!r} names no fail point with an action")
        armed[point] = Armed(action, argument, int(turn or 1))
    return armed


_armed = parse(os.environ.get(VARIABLE, ""))


def reach(point: str) -> None:
    """Nothing, unless a test armed `point`. Raises OSError where the action is `error`."""
    if _armed:
        _reach(point)


def inherited(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a shim needs in its environment to have the same points."""
    return {VARIABLE: environ[VARIABLE]} if environ.get(VARIABLE) else {}


def _reach(point: str) -> None:
    found = _armed.get(point)
    if found is None:
        return
    found.reached += 1
    if found.reached != found.turn:
        return
    if found.action == "error":
        raise OSError(errno.EIO, f"fail point {point}")
    if found.action == "delay":
        time.sleep(float(found.argument or 0.1))
    else:
        os.kill(os.getpid(), signal.SIGKILL if found.action == "kill" else signal.SIGSTOP)
