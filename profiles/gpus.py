"""What can be said of a GPU beyond its reading of the moment: its MIG devices, its errors, its health, its place.

GpuReading (profiles.status)   what it does, once a second
  ├─ MigState, MigDevice       how it is divided, and what runs on each part
  ├─ GpuErrors                 what has added up: ECC, remapped rows, PCIe replays
  └─ GpuHealth                 whether something new may be placed on it
GpuCard                        what it is: read once, told again only when it changed
"""

from enum import StrEnum

import msgspec


class GpuHealth(StrEnum):
    """Only an `ok` GPU is given to anything new (invariant I11)."""

    OK = "ok"
    DEGRADED = "degraded"
    """It works on; it wants a reset or a look at the next window."""
    DRAIN = "drain"
    """What runs on it may be wrong or end soon: move it, then reset, reboot or replace."""
    LOST = "lost"
    STALLED = "stalled"
    """Nothing is known of it now: its driver does not answer."""


class MigState(msgspec.Struct, frozen=True, kw_only=True):
    """MIG mode. `pending` differs from `current` while a change waits for a reset.

    `resetless` is whether a change needs no reset (Hopper and later); None is unknown.
    """

    current: bool
    pending: bool
    resetless: bool | None = None


class MigDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A compute instance, which is what processes see of a MIG GPU.

    `start` and `size` are memory slices of the GPU; the driver numbers GPU instances (`gi_id`) per GPU and compute
    instances (`ci_id`) within one, and gives the numbers again: only the UUID names a device for good.
    """

    uuid: str
    profile: str
    """As NVIDIA writes it: `3g.40gb`."""
    start: int | None = None
    size: int | None = None
    gi_id: int
    ci_id: int
    memory_total_mib: int | None = None
    memory_used_mib: int | None = None
    sm_active_ratio: float | None = None
    multiprocessors: int | None = None
