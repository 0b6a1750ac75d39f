"""The instances of a node as those see them who divide its GPUs (agents.fractions.tenants) or clear its runtimes."""

from collections.abc import Mapping
from pathlib import Path

from agents.fractions.tenants import Tenant
from agents.instances.keeper import Keeper
from agents.processes import tree
from agents.runtimes.runtimes import Runtimes
from profiles.desired.model import InstanceSpec
from profiles.observed.status import SERVES, Phase


class Tenancy:
    """Of the keepers there are at the moment; `state` marks what is ours."""

    def __init__(self, keepers: Mapping[str, Keeper], state: Path) -> None:
        self._keepers = keepers
        self._state = state

    def on(self, gpu_uuid: str) -> list[Tenant]:
        """All that have a part of it, running or not."""
        return [
            Tenant(
                instance=name,
                slot=one.mig,
                pid=keeper.runner.process.handle.pid if keeper.runner.process else None,
                lives=_lives(keeper),
                serves=keeper.standing.phase in SERVES,
            )
            for name, keeper in self._keepers.items()
            if (spec := _spec(keeper))
            for one in spec.slices
            if one.gpu_uuid == gpu_uuid
        ]

    def owner(self, pid: int) -> str:
        """The instance that a process is of; "" for one that is none of ours, or of an instance that is gone."""
        mark = tree.marked(pid)
        return mark[0] if mark and mark[1] == str(self._state) and mark[0] in self._keepers else ""

    def of_runtime(self, runtimes: Runtimes, name: str) -> list[str]:
        """All that run from it, and that would be started from it."""
        return sorted(
            instance
            for instance, keeper in self._keepers.items()
            if _runs_from(keeper) == name or (keeper.owned and runtimes.chosen(keeper.owned.spec) == name)
        )

    def look_again(self) -> None:
        for keeper in self._keepers.values():
            keeper.wake()


def _runs_from(keeper: Keeper) -> str:
    started = keeper.runner.started
    return started.used.name if keeper.runner.process and started and started.used else ""


def _lives(keeper: Keeper) -> bool:
    """Also where it is not known yet what an earlier agent left."""
    runner = keeper.runner
    return bool(runner.process or runner.survivors or not keeper.found or keeper.standing.phase is Phase.STARTING)


def _spec(keeper: Keeper) -> InstanceSpec | None:
    """What runs, else what is wanted."""
    started = keeper.runner.started
    if started and (keeper.runner.process or keeper.runner.survivors or keeper.owned is None):
        return started.owned.spec
    return keeper.owned.spec if keeper.owned else None
