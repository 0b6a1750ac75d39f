"""How the daemon is kept: whether a unit of systemd runs it, and what starts it after a boot.

its cgroup ──► in a unit's? ──► systemctl: its main process, and enabled? ──► system unit, user unit (lingers?)
     └──► in none, or in another's (a login's, sshd's) ──► detached (a line in the crontab?)
"""

import asyncio
import os
import pwd
from pathlib import Path

from agents.board import Board
from agents.processes.isolation.systemd import RUNS, ask
from agents.processes.isolation.user_unit import LINGER
from profiles.observed.kept import Kept, KeptBy

LOOK_S = 60.0
"""An admin may enable a unit, let a login linger or write a crontab at any time."""

STARTS = ("enabled", "alias", "generated")
STARTS_NOT = ("disabled", "enabled-runtime", "linked", "linked-runtime", "transient", "masked")
"""UnitFileState of systemctl(1); what another unit may start, as one that is static, is not known."""

_INSTALL = "`gpuyard node install --at-boot`, or a line `@reboot gpuyard-agent serve` in the crontab there"


async def watch(board: Board) -> None:
    """Show it, until cancelled."""
    while True:
        board.set_kept(await asyncio.to_thread(look, os.getpid()))
        await asyncio.sleep(LOOK_S)


def look(pid: int) -> Kept | None:
    """How the daemon `pid` of this user is kept; None where that cannot be told."""
    if pid == 1 or b"--simulated" in Path(f"/proc/{pid}/cmdline").read_bytes():
        return None  # whoever runs the container knows; a trial is not expected back
    manager, unit = unit_of(Path(f"/proc/{pid}/cgroup").read_text()) if RUNS.exists() else ("", "")
    if not unit:
        return _detached()
    user = ("--user",) if manager == "user" else ()
    said = ask("systemctl", *user, "show", "--property=MainPID,UnitFileState", unit)
    if said is None:
        return None
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return _in_unit(manager, unit, found.get("UnitFileState", "")) if found.get("MainPID") == str(pid) else _detached()


def unit_of(cgroups: str) -> tuple[str, str]:
    """(`system` or `user`, the service) that the lines of /proc/PID/cgroup lie in; ("", "") for a login's."""
    for line in cgroups.splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and controllers != "name=systemd":
            continue
        parts = path.split("/")
        at = max((at for at, part in enumerate(parts) if part.endswith((".service", ".scope"))), default=0)
        if parts[at].endswith(".service"):
            return "user" if any(part.startswith("user@") for part in parts[:at]) else "system", parts[at]
    return "", ""


def _in_unit(manager: str, unit: str, state: str) -> Kept | None:
    by = KeptBy.USER_UNIT if manager == "user" else KeptBy.SYSTEM_UNIT
    if state in STARTS_NOT:
        enable = f"`systemctl{' --user' if manager == 'user' else ''} enable {unit}` there"
        return Kept(by=by, fix=enable if state == "disabled" else _INSTALL)
    if state not in STARTS:
        return None
    if manager == "system":
        return Kept(by=by, after_boot="systemd")
    user = pwd.getpwuid(os.geteuid()).pw_name
    if (LINGER / user).exists():
        return Kept(by=by, after_boot="linger")
    return Kept(by=by, fix=f"`sudo loginctl enable-linger {user}` there")


def _detached() -> Kept:
    """The line is the one that an installation writes, or somebody's own."""
    lines = (ask("crontab", "-l") or "").splitlines()
    starts = any(line.split()[:1] == ["@reboot"] and "gpuyard-agent" in line for line in lines)
    return Kept(by=KeptBy.DETACHED, after_boot="cron") if starts else Kept(by=KeptBy.DETACHED, fix=_INSTALL)
