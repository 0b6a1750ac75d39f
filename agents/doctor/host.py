"""The machine below the agent: versions, limits, service manager, cgroup, clock."""

import ctypes
import os
import platform
import pwd
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

from agents import kept, wire
from agents.attach import is_locked
from agents.doctor.subject import Subject
from agents.processes.isolation import hierarchy
from profiles.observed.finding import Finding, info, ok, problem, warning

FILES_WANTED = 4096
"""Descriptors: a connection of a console is one, an engine three, and a site has hundreds of consoles and engines."""

CONNECT_LIMIT_S = 2.0
WANTED_CONTROLLERS = ("cpu", "cpuset", "memory")
_UNSYNCHRONISED = 5
"""TIME_ERROR, the clock state of adjtimex(2)."""


def look(subject: Subject) -> Iterator[Finding]:
    protocol = f"{wire.PROTOCOL_OLDEST}–{wire.PROTOCOL}" if wire.PROTOCOL_OLDEST < wire.PROTOCOL else wire.PROTOCOL
    python = platform.python_version()
    yield info("agent_version", f"gpuyard-agent {version('gpuyard')}, protocol {protocol}, Python {python}")
    yield _running(subject)
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield from _service(subject)
    yield time_sync(_clock_state())


def _running(subject: Subject) -> Finding:
    path = subject.layout.socket
    with closing(socket.socket(socket.AF_UNIX)) as tried:
        tried.settimeout(CONNECT_LIMIT_S)
        try:
            tried.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            fix = "start its service, or `gpuyard-agent serve`; `gpuyard node install` keeps it running"
            return warning("agent_running", f"no agent serves {path}", fix)
        except OSError as error:
            fix = "see `ps` for a stopped agent, and its log" if isinstance(error, TimeoutError) else "see who owns it"
            return problem("agent_running", f"{path} cannot be reached: {error.strerror or error}", fix)
    return ok("agent_running", f"an agent serves {path}")


def open_files(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY or limit >= FILES_WANTED:
        return ok("open_files", "no limit on open files" if limit < 0 else f"{limit} open files are allowed")
    fix = f"`LimitNOFILE={FILES_WANTED * 16}` in the agent's unit, or limits.conf for its user"
    return warning("open_files", f"only {limit} open files are allowed", fix)


def _service(subject: Subject) -> Iterator[Finding]:
    runs = (subject.root / "run/systemd/system").is_dir()
    yield info("systemd", "systemd runs this machine" if runs else "systemd does not run this machine")
    yield _cgroup(subject)
    if runs and os.geteuid() != 0:
        yield _lingering(subject)
    yield from _after_boot(subject)


def _cgroup(subject: Subject) -> Finding:
    mount = hierarchy.mount(subject.root / "proc/self/mountinfo")
    try:
        there = (
            set((subject.root / str(mount).lstrip("/") / "cgroup.controllers").read_text().split()) if mount else None
        )
    except OSError:
        there = None
    if there is None:
        fix = "boot with `systemd.unified_cgroup_hierarchy=1`; until then no limit of an engine is held"
        return warning("cgroup", "cgroup v2 is not mounted", fix)
    if lacking := [name for name in WANTED_CONTROLLERS if name not in there]:
        fix = "limits that need them are shown as not enforced; see docs/isolation.md"
        return info("cgroup", f"cgroup v2 without the controllers {', '.join(lacking)}", fix)
    return ok("cgroup", "cgroup v2 with cpu, cpuset and memory")


def _lingering(subject: Subject) -> Finding:
    user = pwd.getpwuid(os.geteuid()).pw_name
    if (subject.root / "var/lib/systemd/linger" / user).exists():
        return ok("lingering", f"services of {user} outlive its logins")
    fix = f"`sudo loginctl enable-linger {user}`, or `gpuyard node install --at-boot`"
    if re.search(r"/session-[^/]*\.scope", _own_cgroup(subject)):
        text = f"the agent runs in a login session of {user} and may end with it (KillUserProcesses)"
        return warning("lingering", text, fix)
    return warning("lingering", f"services of {user} end with its last login, and do not start at boot", fix)


def _after_boot(subject: Subject) -> Iterator[Finding]:
    """Of the agent that runs."""
    lock = subject.layout.lock
    pid = lock.read_text().strip() if is_locked(lock) else ""
    found = kept.look(int(pid)) if pid.isdigit() else None
    if found and found.after_boot:
        yield ok("after_boot", f"the agent is {found.text()}")
    elif found:
        yield warning("after_boot", f"the agent is {found.text()}", found.fix)


def _own_cgroup(subject: Subject) -> str:
    try:
        return (subject.root / "proc/self/cgroup").read_text()
    except OSError:
        return ""


def _clock_state() -> int:
    """The return value of adjtimex(2), which changes nothing with `modes` 0; -1 where it may not be asked."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))


def time_sync(state: int) -> Finding:
    """`state` is the clock state of adjtimex(2)."""
    if state < 0:
        return info("time_sync", "whether the clock is kept in time cannot be read here")
    if state == _UNSYNCHRONISED:
        fix = "run chrony or systemd-timesyncd; charts and events of several nodes are compared by their clocks"
        return warning("time_sync", "the kernel says that nothing keeps the clock in time", fix)
    return ok("time_sync", "the clock is kept in time")
