"""Tier `user_unit`: a transient unit of the user's own systemd, where the user lingers. No rights of root."""

import hashlib
import os
import pwd
import shutil
from collections.abc import Mapping
from pathlib import Path

from agents.processes.isolation import hierarchy, systemd
from agents.processes.isolation.cgroup import CONTROLLERS
from agents.processes.isolation.plain import AFFINITY
from agents.processes.isolation.tier import Answer, Place, call, shim_argv
from agents.processes.shim import FIFO_WORD
from profiles.desired.resources import CPUS, Limits
from profiles.observed.isolation import NodeIsolation, Tier

LINGER = Path("/var/lib/systemd/linger")
"""A file for each user whose manager runs without a login (loginctl(1), enable-linger)."""


class UserUnit:
    """Units are named after the instance and the state directory, since a user may run several agents."""

    def __init__(self, mount: Path, state: Path, usable: frozenset[str]) -> None:
        self._mount = mount
        self._suffix = hashlib.sha256(os.fsencode(state)).hexdigest()[:8]
        missing = {limit for limit, name in CONTROLLERS.items() if name not in usable}
        self.isolation = NodeIsolation(
            tier=Tier.USER_UNIT,
            holds={limit: AFFINITY if limit in missing else by for limit, by in systemd.HOLDS.items()
                   if limit not in missing or limit == CPUS},
            absent={limit: f"the {CONTROLLERS[limit]} controller is not delegated to the user's manager"
                    for limit in missing if limit != CPUS},
        )  # fmt: skip

    def place(self, instance: str, incarnation: int, limits: Limits) -> Place:
        return Place(unit_mount=str(self._mount))

    async def start(self, directory: Path, launch: bytes, limits: Limits) -> Answer:
        return await systemd.start_by(call(self.argv(directory, limits)), directory, launch)

    def argv(self, directory: Path, limits: Limits) -> tuple[str, ...]:
        """The call of systemd-run that starts the instance in `directory`."""
        settings = (*systemd.SETTINGS, *systemd.limit_settings(limits))
        unit = f"gpuyard-{directory.name}-{self._suffix}.service"
        return (
            "systemd-run", "--user", "--quiet", "--collect", f"--unit={unit}",
            *(f"--property={setting}" for setting in settings), "--", *shim_argv(directory, FIFO_WORD),
        )  # fmt: skip


def probe(state: Path, environ: Mapping[str, str] = os.environ) -> UserUnit | str:
    """The tier, or why it cannot be."""
    if not systemd.RUNS.exists():
        return "systemd does not run this machine"
    manager = Path(environ.get("XDG_RUNTIME_DIR") or "/nowhere") / "systemd" / "private"
    if not manager.exists() or shutil.which("systemd-run") is None:
        return "no systemd manager of this user runs (loginctl enable-linger)"
    user = pwd.getpwuid(os.getuid()).pw_name
    if not (LINGER / user).exists():
        return f"the manager of {user} ends with the last login: loginctl enable-linger {user}"
    group = systemd.ask("systemctl", "--user", "show", "--property=ControlGroup", "--value")
    mount = hierarchy.mount()
    if group is None or mount is None:
        return "the systemd manager of this user does not answer, or cgroup v2 is not mounted"
    return UserUnit(mount, state, hierarchy.controllers(mount / group.lstrip("/")))
