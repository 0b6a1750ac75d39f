"""The files of cgroup v2 (kernel documentation, admin-guide/cgroup-v2): who is in a group, and its end.

A path here is a directory of the mounted hierarchy, also of the unified half of a hybrid v1 and v2 set-up.
"""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from agents.processes.shim import UNIT_LEAF

FREEZE_LIMIT_S = 1.0

ENGINE_GROUP = re.compile(r"/gpuyard-[0-9a-f]{8}/[^/]+@[0-9]+$")
"""What tier `cgroup` makes for an engine; a unit's shim makes UNIT_LEAF."""


def mount(table: Path = Path("/proc/self/mountinfo")) -> Path | None:
    """Where cgroup v2 is mounted, None where it is not."""
    for line in table.read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return None


def own(root: Path) -> Path:
    """The group that this process is in."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    return root / path.lstrip("/")


def engine_group(pid: int) -> str:
    """The group that was made for this engine, "" when it is in none of ours."""
    root = mount()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            name = line.rpartition("/")[2]
            if root and line.startswith("0::") and (ENGINE_GROUP.search(line) or name == UNIT_LEAF):
                return str(root / line[3:].lstrip("/"))
    return ""


def pids(group: Path) -> set[int]:
    """Everyone in `group` and below it; nobody once it is gone."""
    found: set[int] = set()
    for directory, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            found.update(int(line) for line in Path(directory, "cgroup.procs").read_text().split())
    return found


def is_populated(group: Path) -> bool:
    """Whether a living process is in `group` or below it."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except OSError:
        return False


def kill(group: Path) -> None:
    """SIGKILL to everyone, those that are being forked too. Before Linux 5.14: while nobody can fork."""
    try:
        (group / "cgroup.kill").write_text("1")
    except FileNotFoundError:
        if group.exists():
            _kill_frozen(group)
    except OSError:
        return  # gone in this moment


def remove(group: Path) -> None:
    """With all below it. What is populated stays."""
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(directory).rmdir()


def leave(group: Path) -> None:
    """Remove an engine's group, and the agent's above it once that is empty."""
    remove(group)
    if not group.exists():
        with contextlib.suppress(OSError):
            group.parent.rmdir()


def controllers(group: Path) -> frozenset[str]:
    """Those that `group` can use."""
    try:
        return frozenset((group / "cgroup.controllers").read_text().split())
    except OSError:
        return frozenset()


def hand_down(group: Path, names: frozenset[str]) -> None:
    """Let the groups below `group` use these controllers; one that refuses is left out."""
    for name in sorted(names & controllers(group)):
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{name}")


def _kill_frozen(group: Path) -> None:
    with contextlib.suppress(OSError):
        (group / "cgroup.freeze").write_text("1")
        deadline = time.monotonic() + FREEZE_LIMIT_S
        while "frozen 1" not in (group / "cgroup.events").read_text() and time.monotonic() < deadline:
            time.sleep(0.005)
    for pid in pids(group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # still in the frozen group, so nobody else can have this pid
    with contextlib.suppress(OSError):
        (group / "cgroup.freeze").write_text("0")
