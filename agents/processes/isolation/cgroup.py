"""Tier `cgroup`: a group of cgroup v2 per engine, below one that the agent makes where it may.

    <the agent's own group>/gpuyard-<state directory>/<instance>@<incarnation>

Groups of engines outlive the agent; the last one to leave removes them.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from agents.processes.isolation import hierarchy
from agents.processes.isolation.plain import AFFINITY
from agents.processes.isolation.systemd import RUNS, ask
from agents.processes.isolation.tier import Answer, Place, run_shim
from profiles.desired.resources import CPU_WEIGHT, CPUS, MEMORY, Limits
from profiles.observed.isolation import NodeIsolation, Tier

PREFIX = "gpuyard-"
STALE_S = 300.0

CONTROLLERS = {MEMORY: "memory", CPU_WEIGHT: "cpu", CPUS: "cpuset"}
FILES = {MEMORY: "cgroup memory.max", CPU_WEIGHT: "cgroup cpu.weight", CPUS: "cgroup cpuset.cpus"}


class Cgroup:
    """Below `base`; what its controllers cannot hold is said in `isolation`."""

    def __init__(self, base: Path, usable: frozenset[str]) -> None:
        self._base = base
        missing = {limit: name for limit, name in CONTROLLERS.items() if name not in usable}
        self.isolation = NodeIsolation(
            tier=Tier.CGROUP,
            holds={limit: file for limit, file in FILES.items() if limit not in missing}
            | ({CPUS: AFFINITY} if CPUS in missing else {}),
            absent={
                limit: f"the {name} controller is not handed to the agent's cgroup"
                for limit, name in missing.items()
                if limit != CPUS
            },
        )

    def place(self, instance: str, incarnation: int, limits: Limits) -> Place:
        leaf = self._base / f"{instance}@{incarnation}"
        while not leaf.exists():
            with contextlib.suppress(FileNotFoundError):  # the base went with its last engine, just now
                make_base(self._base)
                leaf.mkdir()
        self._limit(leaf, limits)
        return Place(cgroup=str(leaf))

    async def start(self, directory: Path, launch: bytes, limits: Limits) -> Answer:
        return await run_shim(directory, launch)

    def _limit(self, leaf: Path, limits: Limits) -> None:
        holds = {limit for limit, file in FILES.items() if self.isolation.holds.get(limit) == file}
        if limits.memory_mib is not None and MEMORY in holds:
            (leaf / "memory.max").write_text(str(limits.memory_mib * 2**20))
            (leaf / "memory.oom.group").write_text("1")  # an engine that lost one worker only hangs
        if limits.cpu_weight is not None and CPU_WEIGHT in holds:
            (leaf / "cpu.weight").write_text(str(limits.cpu_weight))
        if limits.cpus is not None and CPUS in holds:
            (leaf / "cpuset.cpus").write_text(limits.cpus)


def sweep(home: Path, base: Path) -> None:
    """Remove empty groups whose shims did not live to do it: all of our own, and old ones of agents that are gone.

    Nothing starts yet in our own; in another agent's, a group is empty from its making until its engine joins.
    """
    hierarchy.remove(base)
    for leaf in home.glob(f"{PREFIX}*/*@*"):
        with contextlib.suppress(OSError):
            if time.time() - leaf.stat().st_mtime > STALE_S:
                hierarchy.leave(leaf)


def base_name(state: Path) -> str:
    """Of the agent of this state directory, for a machine may have several."""
    return f"{PREFIX}{hashlib.sha256(os.fsencode(state)).hexdigest()[:8]}"


def make_base(base: Path) -> None:
    base.mkdir(exist_ok=True)
    wanted = frozenset(CONTROLLERS.values())
    hierarchy.hand_down(base.parent, wanted)
    hierarchy.hand_down(base, wanted)


def probe(state: Path) -> Cgroup | str:
    """The tier, or why it cannot be."""
    root = hierarchy.mount()
    if root is None:
        return "cgroup v2 is not mounted"
    home = _home(hierarchy.own(root))
    if refused := _refused(home):
        return refused
    base = home / base_name(state)
    sweep(home, base)
    try:
        make_base(base)
        usable = hierarchy.controllers(base) & _handed_down(base)
        trial = base / ".probe"
        trial.mkdir(exist_ok=True)
        (trial / "cgroup.procs").read_text()
    except OSError as error:
        return f"no cgroup can be made in {home}: {error.strerror}"
    finally:
        hierarchy.leave(base / ".probe")
    return Cgroup(base, usable)


def _handed_down(base: Path) -> frozenset[str]:
    return frozenset((base / "cgroup.subtree_control").read_text().split())


def _home(own: Path) -> Path:
    """Of a unit with DelegateSubgroup= the unit's own group, which has no processes itself."""
    return own.parent if _is_delegated(own.parent) else own


def _refused(home: Path) -> str:
    """Where systemd runs the machine, only what it delegated is ours, and its restart of us must kill us alone."""
    if not RUNS.exists():
        return ""
    unit = home.name
    mode = ask("systemctl", "show", "--property=KillMode", "--value", unit)
    if unit.endswith(".service") and mode not in ("process", "none"):
        return f"a restart of {unit} would kill every engine with the agent: it needs KillMode=process"
    if not _is_delegated(home):
        return f"systemd did not delegate the agent's cgroup ({unit}): it needs Delegate=yes"
    return ""


def _is_delegated(group: Path) -> bool:
    """systemd marks what it delegates, for root and for users (systemd's CGROUP_DELEGATION.md)."""
    for attribute in ("trusted.delegate", "user.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, attribute) == b"1":
                return True
    return False
