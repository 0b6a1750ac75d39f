"""Which instances are clients of one GPU's MPS daemon, on the disk before anything is done for them.

    add ──► the daemon, the client … ──► saw: how many processes it is ──► remove

A limit of MPS holds for each process, so an instance with several has it divided; how many they are is seen only
once they run, and is what the next start goes by.
"""

from collections.abc import Callable

import msgspec

from agents import state
from agents.layout import InstanceLayout, Layout

FILE = "clients.json"


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """clients.json: `held` and `seen` are numbers of processes by instance, limited as so many, and seen at once."""

    gpu_uuid: str
    gpu_index: int
    held: dict[str, int] = {}
    seen: dict[str, int] = {}


class ClientBook:
    """In the directory `paths` of the daemon. `changed` is called after each change. Raises BadState, OSError.

    Where a disk refuses that there is one less, that holds in memory; the next agent finds it again.
    """

    def __init__(
        self, layout: Layout, paths: InstanceLayout, gpu_uuid: str, gpu_index: int, changed: Callable[[], None]
    ) -> None:
        self._layout = layout
        self._paths = paths
        self._changed = changed
        found = state.load(paths.directory / FILE, Clients)
        clients = found if isinstance(found, Clients) else Clients(gpu_uuid=gpu_uuid, gpu_index=gpu_index)
        self._now = msgspec.structs.replace(clients, gpu_index=gpu_index)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._now.held))

    def processes(self, instance: str) -> int:
        """How many a limit of `instance` is divided among."""
        return self._now.held.get(instance) or self._now.seen.get(instance, 1)

    def others(self, instance: str) -> list[str]:
        """Clients beside it. One whose directory is gone was removed by hand."""
        return [one for one in self.names if one != instance and self._exists(one)]

    def add(self, instance: str) -> None:
        """Durable when it returns."""
        self._keep(self._now.held | {instance: self._now.seen.get(instance, 1)}, self._now.seen)

    def saw(self, instance: str, processes: int) -> None:
        if processes > self._now.seen.get(instance, 1):
            self._keep(self._now.held, self._now.seen | {instance: processes})

    def remove(self, instance: str) -> None:
        if instance not in self._now.held:
            return
        held = {name: many for name, many in self._now.held.items() if name != instance}
        try:
            self._keep(held, self._now.seen)
        except OSError:
            self._now = msgspec.structs.replace(self._now, held=held)
            self._changed()

    def _exists(self, instance: str) -> bool:
        return self._layout.instance(instance).directory.exists()

    def _keep(self, held: dict[str, int], seen: dict[str, int]) -> None:
        seen = {name: many for name, many in seen.items() if self._exists(name)}
        now = msgspec.structs.replace(self._now, held=held, seen=seen)
        self._paths.directory.mkdir(mode=0o700, exist_ok=True)
        state.save(self._paths.directory / FILE, now)
        self._now = now
        self._changed()
