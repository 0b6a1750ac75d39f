"""What can be said of a GPU beyond its reading of the moment: its MIG devices, its errors, its health, its place.

GpuReading (profiles.observed.status)   what it does, once a second
  ├─ MigState, MigDevice       how it is divided, and what runs on each part
  ├─ GpuErrors                 what has added up: ECC, remapped rows, PCIe replays
  └─ GpuHealth                 whether something new may be placed on it
GpuCard                        what it is: read once, told again only when it changed
"""

from enum import StrEnum

import msgspec

NORMAL_AT_FULL_LOAD = frozenset({"sw_power_cap"})
"""What holds back a GPU that works as hard as its power limit lets it (NVML, clocks event reasons)."""


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


class GpuErrors(msgspec.Struct, frozen=True, kw_only=True):
    """What has gone wrong in a GPU's memory and on its bus; None is not told. `_ever` is for life, the others since
    the driver was loaded."""

    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    ecc_corrected_ever: int | None = None
    ecc_uncorrected_ever: int | None = None
    rows_remapped: int | None = None
    remap_pending: bool | None = None
    """A row is to be replaced at the next reset; work goes on safely."""
    remap_failed: bool | None = None
    """No spare row was left."""
    pcie_replays: int | None = None


class Recovery(StrEnum):
    """What the driver asks for (NVML, field 230). `none` means that it asks for nothing."""

    NONE = "none"
    GPU_RESET = "gpu_reset"
    NODE_REBOOT = "node_reboot"
    DRAIN_P2P = "drain_p2p"
    DRAIN_AND_RESET = "drain_and_reset"
    IMEX_DOMAIN = "imex_domain"
    BUS_RESET = "bus_reset"
    SYSTEM_REBOOT = "system_reboot"


class Nearness(StrEnum):
    """What lies between two GPUs, nearest first; nvidia-smi's words for it."""

    BOARD = "board"
    PIX = "pix"
    PXB = "pxb"
    PHB = "phb"
    NODE = "node"
    SYS = "sys"


class GpuPeer(msgspec.Struct, frozen=True):
    uuid: str
    nearness: Nearness


class GpuCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a GPU is. None and "" are not told. `bus` is as sysfs writes it: `0000:1b:00.0`."""

    uuid: str
    driver: str = ""
    architecture: str = ""
    compute_capability: str = ""
    bus: str = ""
    serial: str = ""
    numa_node: int | None = None
    cpus: str = ""
    """The CPUs next to it, as the kernel writes a list."""
    pcie_generation: int | None = None
    pcie_width: int | None = None
    """The most that card and slot can do; an idle link is slower."""
    nvlinks: int | None = None
    persistence: bool | None = None
    compute_mode: str = ""
    peers: tuple[GpuPeer, ...] = ()
    """The other GPUs of the node, nearest first."""


class Xid(msgspec.Struct, frozen=True):
    """An error of a GPU that its driver reported, by NVIDIA's number (profiles.observed.xids), `count` times since
    its last reset and last at that time."""

    number: int
    at_unix_s: float
    count: int = 1
