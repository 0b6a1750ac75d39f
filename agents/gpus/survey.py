"""What a look at MIG on one GPU finds (agents.gpus.migsurvey)."""

import msgspec

from engines.devices import MigSlot
from profiles.observed.mig import MigLayout, MigOffer, layout


class GpuInstance(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU instance. Each of its compute instances is a device with a UUID that is new at every creation."""

    gi_id: int
    slot: MigSlot
    devices: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """One device fills it, as far as its count says. None at all is an instance that was half made or half gone."""
        return len(self.devices) == 1


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process on the GPU; `gi_id` None where it is on all of it, or where nobody says."""

    pid: int
    name: str = ""
    user: str = ""
    memory_mib: int | None = None
    gi_id: int | None = None


class Survey(msgspec.Struct, frozen=True, kw_only=True, tag="survey"):
    """`mode` None is a GPU that knows no MIG. Offers and instances are there in MIG mode alone."""

    index: int
    mode: bool | None = None
    pending: bool = False
    """The mode after the next reset."""
    resetless: bool | None = None
    offers: tuple[MigOffer, ...] = ()
    instances: tuple[GpuInstance, ...] = ()
    holders: tuple[Holder, ...] = ()

    def layout(self) -> MigLayout:
        """What is whole of it."""
        if not self.mode:
            return MigLayout(mode=False)
        return layout(one.slot for one in self.instances if one.whole)


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The driver did not say; `code` is NVML's: 4 where instances may not be listed."""

    code: int
    text: str
