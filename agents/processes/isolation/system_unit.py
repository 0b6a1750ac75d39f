"""Tier `system_unit`: one instance of an installed template of the system's systemd.

An agent that may make any unit is root by another name, since a unit says who it runs as. So the administrator
installs TEMPLATE, and a polkit rule lets the agent start, stop and limit units of that name and no others.
"""

import shutil
from pathlib import Path

from agents.layout import SYSTEM_STATE
from agents.processes.isolation import hierarchy, systemd
from agents.processes.isolation.tier import Answer, Place, call, shim_argv
from agents.processes.shim import FIFO_WORD
from profiles.desired.resources import Limits
from profiles.observed.isolation import NodeIsolation, Tier

UNIT = "gpuyard-engine@{}.service"
PROBED = UNIT.format("probe")


class SystemUnit:
    """For the agent whose state is SYSTEM_STATE: the template knows no other."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount
        self.isolation = NodeIsolation(tier=Tier.SYSTEM_UNIT, holds=dict(systemd.HOLDS))

    def place(self, instance: str, incarnation: int, limits: Limits) -> Place:
        return Place(unit_mount=str(self._mount))

    async def start(self, directory: Path, launch: bytes, limits: Limits) -> Answer:
        return await systemd.start_by(self._start(directory, limits), directory, launch)

    async def _start(self, directory: Path, limits: Limits) -> Answer:
        for argv in self.calls(directory, limits):
            answer = await call(argv)
            if answer.status:
                return answer
        return answer

    def calls(self, directory: Path, limits: Limits) -> tuple[tuple[str, ...], ...]:
        """The calls of systemctl that start the instance in `directory`, in order."""
        unit = UNIT.format(directory.name)
        systemctl = ("systemctl", "--no-ask-password")
        return (
            (*systemctl, "set-property", "--runtime", unit, *systemd.limit_settings(limits)),
            (*systemctl, "start", unit),
        )


def template(user: str) -> str:
    """The unit file to install as /etc/systemd/system/gpuyard-engine@.service; `user` is the agent's."""
    lines = [
        "[Unit]",
        "Description=gpuyard engine %i",
        "",
        "[Service]",
        f"User={user}",
        "LimitMEMLOCK=infinity",
        *systemd.SETTINGS,
    ]
    return "\n".join([*lines, f"ExecStart={' '.join(shim_argv(SYSTEM_STATE / 'instances' / '%i', FIFO_WORD))}", ""])


def probe(state: Path) -> SystemUnit | str:
    """The tier, or why it cannot be."""
    if not systemd.RUNS.exists():
        return "systemd does not run this machine"
    if state != SYSTEM_STATE:
        return f"only the agent of {SYSTEM_STATE} is the system's"
    if shutil.which("systemctl") is None:
        return "systemctl is not on the PATH"
    if systemd.ask("systemctl", "show", "--property=LoadState", "--value", PROBED) != "loaded":
        return f"the template {UNIT.format('')} is not installed"
    if systemd.ask("systemctl", "--no-ask-password", "set-property", "--runtime", PROBED, "CPUWeight=100") is None:
        return f"no polkit rule lets this user manage {UNIT.format('*')}"
    mount = hierarchy.mount()
    return SystemUnit(mount) if mount else "cgroup v2 is not mounted"
