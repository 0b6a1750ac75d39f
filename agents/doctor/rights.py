"""Whether this user's agent can change GPUs, which takes root: by itself, by a capability, or through sudo."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from agents.doctor.subject import Subject
from agents.privilege.calls import CreateGpuInstance, SetMigMode, Switch
from agents.privilege.ways import PAGE, Host, own_child, sudoers_line, way
from agents.root.sudoers import writable_by_others
from profiles.observed.finding import Finding, info, ok, problem

_ANY = "GPU-00000000-0000-0000-0000-000000000000"
MODES = SetMigMode(gpu=_ANY, to=Switch.ON)
INSTANCES = CreateGpuInstance(gpu=_ANY, profile=0, start=0, size=1)
SUDO_LIMIT_S = 5.0


def look(subject: Subject, host: Host | None = None) -> Iterator[Finding]:
    host = host or Host(root=subject.root)
    if host.program.exists() and (open_to := next(writable_by_others([host.program]), None)):
        text = f"{host.program} runs as root, and {open_to} can be written by others"
        yield problem("root_rights", text, "take the line out of sudoers; install it where only root can write")
    elif way(MODES, host) == own_child():
        yield ok("root_rights", "this agent is root: it can change MIG, modes and reset GPUs")
    elif host.has_program and _sudo_lets(host):
        yield ok("root_rights", f"sudo lets this user run {host.program}: MIG, modes and resets of GPUs")
    else:
        may = " but MIG instances (mig/config)" if way(INSTANCES, host) == own_child() else ""
        fix = f"where this agent should: {PAGE if not host.has_program else f'`{sudoers_line(host)}`'}"
        yield info("root_rights", f"not root: it changes nothing of GPUs{may}", fix)


def _sudo_lets(host: Host) -> bool:
    """`sudo -l COMMAND` says whether it would run, and does not run it (sudo(8), 1.9)."""
    try:
        argv: list[str | Path] = [host.sudo, "-n", "-l", "--", host.program, "mig-mode"]
        return subprocess.run(argv, capture_output=True, timeout=SUDO_LIMIT_S, stdin=subprocess.DEVNULL).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
