"""What an instance may be given: GPUs of a node, and slices of them."""

import msgspec


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A physical device. `uuid` is its only identity; `index` is for people and may change with a reboot."""

    uuid: str
    index: int
    name: str
    memory_total_mib: int


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one GPU that one instance holds.

    `memory_mib` None means the whole GPU.
    """

    gpu_uuid: str
    gpu_index: int
    memory_mib: int | None = None
