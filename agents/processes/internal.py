"""A process of the agent's own under a shim, as engines are: it outlives the agent, and the next one finds it again.

find ──► lives, with its Process       start ──► handle.json ──► Process       end ──► nothing of it is left

Its directory lies beside those of instances and has no spec.json, and no instance can have its name.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agents import state
from agents.layout import Layout
from agents.processes import logspace, process, spawn, tree
from agents.processes.isolation.tier import Tier
from agents.processes.process import Handle, Process
from agents.processes.recovery import last_taken, recover
from engines.abilities import SignalStep

PREFIX = "_"
"""Of every internal name; names of instances begin with a letter or a digit."""


def internal_log(layout: Layout, name: str, previous: bool) -> tuple[Path, int] | None:
    """The log file and incarnation of an internal process; None where there is none of this name."""
    if not name.startswith(PREFIX):
        return None
    paths = layout.instance(name)
    incarnation = last_taken(paths) - (1 if previous else 0)
    path = paths.log(incarnation)
    return (path, incarnation) if path.exists() else None


class Internal:
    """`changed` is called when it exits."""

    def __init__(self, layout: Layout, name: str, tier: Tier, changed: Callable[[], None]) -> None:
        self.name = PREFIX + name
        self.paths = layout.instance(self.name)
        self.process: Process | None = None
        self._marker = (self.name, str(layout.state))
        self._tier = tier
        self._changed = changed
        self._handle: Handle | None = None

    def lives(self) -> bool:
        return self.process is not None and not self.process.exited.is_set()

    @property
    def log(self) -> Path:
        return self.paths.log(last_taken(self.paths))

    async def find(self) -> None:
        """What an earlier agent left. Raises OSError."""
        if not self.paths.directory.exists():
            return
        found = state.load(self.paths.handle, Handle)
        if not isinstance(found, Handle) or found.incarnation != last_taken(self.paths):
            found = await recover(self.paths, self._marker, 0)
        if found:
            self._handle, self.process = found, process.adopt(found, self._changed)

    async def start(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Nothing of it lives. Raises what spawn.spawn raises."""
        self.close()
        self.paths.directory.mkdir(mode=0o700, exist_ok=True)
        marks = {tree.MARKER: self.name, tree.MARKER_STATE: self._marker[1]}
        incarnation = last_taken(self.paths) + 1
        launch = spawn.Launch(argv=tuple(argv), env={**env, **marks}, incarnation=incarnation, port=0)
        logspace.drop_old(self.paths, incarnation)
        self._handle = await spawn.spawn(self.paths, launch, self._tier)
        self.process = process.adopt(self._handle, self._changed)

    def left(self) -> list[tree.Stat]:
        """Every living process of it, its shim apart; what it started may outlive it."""
        return process.members(self._handle, self._marker) if self._handle else []

    async def end(self, grace_s: float) -> list[tree.Stat]:
        """SIGTERM, wait, SIGKILL to all of it. What even that left."""
        if self._handle is None:
            return []
        if self.process:
            left = await process.stop(self.process, self._marker, (SignalStep("SIGTERM", grace_s),))
        else:
            left = await process.kill_all(self._handle, self._marker)
        if not left:
            self.close()
            with contextlib.suppress(OSError):
                self.paths.handle.unlink(missing_ok=True)
        return left

    def close(self) -> None:
        """Watch it no longer; it lives on."""
        if self.process:
            self.process.close()
        self.process = self._handle = None
