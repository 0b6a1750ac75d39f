"""The processes of a node that matter here: those on GPUs, and those that carry an agent's mark."""

from collections.abc import Iterable
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


class UserShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one user has on all GPUs of some nodes. `user` "" is unknown."""

    user: str
    processes: int
    nodes: tuple[str, ...]
    gpus: int
    """Different ones; two users of one GPU each count it."""
    memory_mib: int | None = None
    """Of those that say how much."""
    busy: float | None = None
    """GPUs' worth of SM time: two processes at a half each are one."""
    foreign: int = 0
    orphans: int = 0
    oldest_s: float | None = None


def by_user(listed: Iterable[tuple[str, NodeProcess]]) -> list[UserShare]:
    """Of (node, process) pairs; who holds most memory first."""
    theirs: dict[str, list[tuple[str, NodeProcess]]] = {}
    for node, one in listed:
        theirs.setdefault(one.user, []).append((node, one))
    shares = [_share(user, rows) for user, rows in theirs.items()]
    return sorted(shares, key=lambda share: (-(share.memory_mib or 0), share.user))


def _share(user: str, rows: list[tuple[str, NodeProcess]]) -> UserShare:
    ones = [one for _, one in rows]
    sizes = [one.memory_mib for one in ones if one.memory_mib is not None]
    busy = [one.busy_ratio for one in ones if one.busy_ratio is not None]
    ages = [one.age_s for one in ones if one.age_s is not None]
    return UserShare(
        user=user,
        processes=len(ones),
        nodes=tuple(sorted({node for node, _ in rows})),
        gpus=len({(node, gpu) for node, one in rows for gpu in one.gpus}),
        memory_mib=sum(sizes) if sizes else None,
        busy=sum(busy) if busy else None,
        foreign=sum(one.kind is ProcessKind.FOREIGN for one in ones),
        orphans=sum(one.kind is ProcessKind.ORPHAN for one in ones),
        oldest_s=max(ages, default=None),
    )
