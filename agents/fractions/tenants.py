"""Who has a part of a GPU, as the rooms below the instances may ask."""

from typing import Protocol

import msgspec

from engines.devices import MigSlot


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """An instance on a GPU; `slot` None has no MIG instance but the GPU, or a share of it.

    `lives` is whether anything of it may run there, or is not known yet; `serves` whether it may have requests.
    """

    instance: str
    slot: MigSlot | None
    pid: int | None
    lives: bool
    serves: bool


class Tenants(Protocol):
    def on(self, gpu_uuid: str) -> list[Tenant]:
        """All that have a part of it, running or not."""
        ...

    def owner(self, pid: int) -> str:
        """The instance that a process is of; "" for one that is none of ours, or of an instance that is gone."""
        ...

    def look_again(self) -> None:
        """What they may do has changed."""
        ...
