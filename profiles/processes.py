"""The processes of a node that matter here: those on GPUs, and those that carry an agent's mark."""

from enum import StrEnum

import msgspec


class ProcessKind(StrEnum):
    """Whose a process is."""

    OURS = "ours"
    """Of an instance that runs."""
    ORPHAN = "orphan"
    """Of an instance of this node that no longer runs, or that nobody knows: nothing will end it."""
    FOREIGN = "foreign"
    """On a GPU, and none of this agent's."""


class NodeProcess(msgspec.Struct, frozen=True, kw_only=True):
    """`(pid, start_ticks)` says which one it is; `start_ticks` None is unknown, as for another pid namespace."""

    pid: int
    start_ticks: int | None = None
    kind: ProcessKind = ProcessKind.FOREIGN
    name: str = ""
    user: str = ""
    instance: str | None = None
    age_s: float | None = None
    gpus: tuple[int, ...] = ()
    """By index."""
    memory_mib: int | None = None
    """On all those GPUs; None where no GPU is held, or none says how much."""
    busy_ratio: float | None = None
    container: str = ""
    """The beginning of its id."""
    command: str = ""
    """Its arguments, without what may be secret; "" for a viewer."""
