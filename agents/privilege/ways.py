"""How this agent can have a call made, by what it is and what the host lets it do.

root                                            its own child
may read the capability mig/config              its own child, for MIG instances alone (MIG user guide, 2.4)
the program is installed, and so is sudo        sudo -n PROGRAM
else                                            Missing: the right, and what an admin would type
"""

import grp
import os
import pwd
import sys
from dataclasses import dataclass, field
from pathlib import Path

from agents.privilege.answers import Missing
from agents.privilege.byhand import by_hand
from agents.privilege.calls import AnyCall, CreateGpuInstance, DestroyGpuInstance, LookAtMig, SignalProcess

PROGRAM = Path("/usr/local/sbin/gpuyard-agent-root")
SUDO = Path("/usr/bin/sudo")
PAGE = "docs/security.md, “What needs root”"


@dataclass(frozen=True, slots=True)
class Host:
    """What decides. Everything of the kernel is looked up below `root`."""

    uid: int = field(default_factory=os.geteuid)
    program: Path = PROGRAM
    sudo: Path = SUDO
    root: Path = Path("/")

    @property
    def mig_config(self) -> Path | None:
        """The device whose reader may make and destroy MIG instances; None where the driver names none."""
        try:
            lines = (self.root / "proc/driver/nvidia-caps/mig-minors").read_text().splitlines()
        except OSError:
            return None
        minor = next((line.split()[1] for line in lines if line.startswith("config ")), None)
        return self.root / f"dev/nvidia-caps/nvidia-cap{minor}" if minor else None

    @property
    def has_program(self) -> bool:
        return self.program.exists() and self.sudo.exists()


def own_child() -> tuple[str, ...]:
    # -P: a directory called `agents` where the agent was started is not ours.
    return (sys.executable, "-P", "-m", "agents.root")


def way(call: AnyCall, host: Host) -> tuple[str, ...] | Missing:
    """The words before those of the call."""
    node = host.mig_config if is_of_instances(call) else None
    if host.uid == 0 or (node and os.access(node, os.R_OK)):
        return own_child()
    if host.has_program:
        return (str(host.sudo), "-n", "--", str(host.program))
    return missing(call, host)


def missing(call: AnyCall, host: Host) -> Missing:
    if host.uid == 0:
        right = "the capability CAP_SYS_ADMIN, which root does not have in this container"
        return Missing(right=right, command=by_hand(call))
    if is_of_instances(call) and (node := host.mig_config):
        grant = f"sudo chgrp {_group()} {node} && sudo chmod 440 {node}"
        return Missing(right=f"root, or to read {node}", command=by_hand(call), lasting=grant)
    right = "root, or to be the user of that process" if isinstance(call, SignalProcess) else "root"
    return Missing(right=right, command=by_hand(call), lasting=sudoers_line(host))


def sudoers_line(host: Host) -> str:
    """What lets this agent call the program, once it is there."""
    if not host.has_program:
        return PAGE
    return f"sudo {host.program} sudoers {_user(host.uid)} | sudo tee /etc/sudoers.d/gpuyard"


def is_of_instances(call: AnyCall) -> bool:
    return isinstance(call, CreateGpuInstance | DestroyGpuInstance | LookAtMig)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group() -> str:
    gid = os.getegid()
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
