"""Which processes belong to an engine, and who is who in /proc.

A pid alone is no identity: with its start time and the boot it is one.
"""

import contextlib
import os
import signal
from collections.abc import Collection
from pathlib import Path

import msgspec

MARKER = "GPUYARD_INSTANCE"
"""In every engine's environment: the instance's name."""

MARKER_STATE = "GPUYARD_STATE"
"""In every engine's environment: the state directory of its agent, since a machine may have several."""


class Stat(msgspec.Struct, frozen=True):
    """The part of /proc/PID/stat that tells processes apart."""

    pid: int
    parent: int
    session: int
    start_ticks: int
    zombie: bool


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def stat(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return Stat(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0] in (b"Z", b"X"))


def everyone() -> dict[int, Stat]:
    """All living processes of this pid namespace; zombies are no longer living."""
    found = (stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {one.pid: one for one in found if one is not None and not one.zombie}


def marked(pid: int) -> tuple[str, str] | None:
    """The instance and state directory in the process's environment, where we may read it and they are there.

    Anybody may put any bytes there: what is no text is replaced.
    """
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    values = {}
    for name in (MARKER, MARKER_STATE):
        prefix = f"{name}=".encode()
        value = next((entry[len(prefix) :] for entry in entries if entry.startswith(prefix)), b"")
        values[name] = value.decode(errors="replace")
    return (values[MARKER], values[MARKER_STATE]) if values[MARKER] else None


def members(engine: Stat, shim: Stat, marker: tuple[str, str], grouped: Collection[int] = ()) -> list[Stat]:
    """Every living process of an engine but its shim: descendants, its session, whoever carries its marker.

    And whoever is in its cgroup, `grouped`.

    `engine` and `shim` are who they were at the start; either may be gone. A program that renames itself
    overwrites its environment and loses the marker, one that makes a session of its own leaves the session,
    and a lost parent cuts the descent: so all three are asked.
    """
    living = everyone()
    roots = {one.pid for one in (engine, shim) if _same(living.get(one.pid), one)}
    leader = living.get(engine.pid)
    session_is_ours = leader is None or leader.start_ticks == engine.start_ticks
    found = roots | {pid for pid in grouped if pid in living}
    for one in living.values():
        if (session_is_ours and one.session == engine.pid) or (
            one.start_ticks >= engine.start_ticks and marked(one.pid) == marker
        ):
            found.add(one.pid)
    while more := {one.pid for one in living.values() if one.parent in found} - found:
        found |= more
    shim_pid = shim.pid if shim.pid in roots else None
    return [living[pid] for pid in sorted(found) if pid != shim_pid]


def send(one: Stat, number: signal.Signals) -> None:
    """Signal exactly this process, never another that got its pid later. Nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(one.pid)
        try:
            if _same(stat(one.pid), one):
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)


def lives(one: Stat) -> bool:
    """Whether this very process still runs; a zombie does not."""
    now = stat(one.pid)
    return _same(now, one) and now is not None and not now.zombie


def _same(now: Stat | None, then: Stat) -> bool:
    return now is not None and now.start_ticks == then.start_ticks
