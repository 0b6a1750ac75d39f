"""What an instance may be given: GPUs of a node, and slices of them."""

from enum import StrEnum

import msgspec


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A physical device. `uuid` is its only identity; `index` is for people and may change with a reboot."""

    uuid: str
    index: int
    name: str
    memory_total_mib: int


class ShareMode(StrEnum):
    """How the instances on one GPU live together; a GPU has one at a time."""

    EXCLUSIVE = "exclusive"
    TIMESLICE = "timeslice"
    """One after the other, a few milliseconds each."""
    MPS = "mps"
    MIG = "mig"


class Timeslice(StrEnum):
    """How long a process has a shared GPU to itself, in the order of nvidia-smi's numbers 0 to 3."""

    DEFAULT = "default"
    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


class Enforcer(StrEnum):
    """Who keeps an instance within its part of a GPU. The last two do not: they trust it."""

    MIG = "mig"
    CGROUP = "cgroup"
    MPS = "mps"
    ENGINE_FLAG = "engine_flag"
    NONE = "none"

    @property
    def cooperative(self) -> bool:
        return self in (Enforcer.ENGINE_FLAG, Enforcer.NONE)

    @property
    def takes_back(self) -> bool:
        """Whether what an instance has above its request can be had again, at its cost alone."""
        return self in (Enforcer.CGROUP, Enforcer.MPS)


class MigSlot(msgspec.Struct, frozen=True, kw_only=True):
    """Where on a GPU a MIG instance is: `size` memory slots from `start`. It outlives the UUID, which is new each time
    that the instance is created."""

    profile: str
    """NVIDIA's name: `1g.10gb`."""
    start: int
    size: int


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one GPU that one instance holds.

    `memory_mib` None means the whole GPU; else it is what is kept for the instance, and what it takes above that, up
    to `memory_limit_mib`, may be taken back. `compute_percent` is a ceiling, never a reservation, except on `mig`.
    """

    gpu_uuid: str
    gpu_index: int
    memory_mib: int | None = None
    memory_limit_mib: int | None = None
    """None: `memory_mib` is the limit."""
    memory_enforcer: Enforcer = Enforcer.NONE
    compute_percent: int | None = None
    compute_enforcer: Enforcer = Enforcer.NONE
    mig: MigSlot | None = None
    portion: float | None = None
    """As it was asked for; `memory_mib` is what it came to on this GPU, and stays so."""
    gpu_memory_mib: int | None = None
    """All of the GPU's memory, as at placement: an engine's own flag is a share of it. None where `memory_mib` is."""

    @property
    def whole(self) -> bool:
        return self.mig is None and self.memory_mib is None

    @property
    def share_mode(self) -> ShareMode:
        """What its GPU must be in."""
        if self.mig is not None:
            return ShareMode.MIG
        if self.whole:
            return ShareMode.EXCLUSIVE
        mps = Enforcer.MPS in (self.memory_enforcer, self.compute_enforcer)
        return ShareMode.MPS if mps else ShareMode.TIMESLICE

    def text(self) -> str:
        """How much of its GPU, in short: `12288MiB to 16384MiB 30%`; "" is all of it."""
        if self.mig is not None:
            return self.mig.profile
        memory = "" if self.memory_mib is None else f"{self.memory_mib}MiB"
        limit = "" if self.memory_limit_mib is None else f" to {self.memory_limit_mib}MiB"
        compute = "" if self.compute_percent is None else f" {self.compute_percent}%"
        return f"{memory}{limit}{compute}"
