"""The agent's own files: where they lie, who may read and write them, what is left of their disk."""

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agents.access import roles
from agents.doctor.filesystems import GIB, under
from agents.doctor.subject import Subject
from agents.errors import BadRoles
from profiles.observed.finding import Finding, info, ok, problem, warning

FULL_BYTES = 64 * 1024**2
LOW_BYTES = GIB


def look(subject: Subject) -> Iterator[Finding]:
    state = subject.layout.state
    if state.is_dir():
        yield _directory(subject, state)
        yield _space(subject, state)
        yield from _secrets(subject.layout.secrets)
    else:
        yield info("state_directory", f"{state} is not there: no agent has run with it yet")
    if subject.layout.socket.exists():
        yield _socket(subject.layout.socket)
    yield _roles(subject.roles_file)


def _directory(subject: Subject, state: Path) -> Finding:
    found, filesystem = state.stat(), under(subject, state)
    if filesystem.is_network:
        fix = "give the agent a `--state` on a disk of this machine"
        return problem("state_directory", f"{state} is on {filesystem.kind}, where locks may not hold", fix)
    if found.st_uid not in (os.geteuid(), 0):
        return problem("state_directory", f"{state} belongs to uid {found.st_uid}", f"chown it to uid {os.geteuid()}")
    if found.st_mode & 0o022:
        return problem("state_directory", f"others can write {state}", f"chmod go-w {state}")
    return ok(
        "state_directory", f"{state}, mode {stat.S_IMODE(found.st_mode):o}, on {filesystem.kind or 'a local disk'}"
    )


def _space(subject: Subject, state: Path) -> Finding:
    filesystem = under(subject, state)
    text = f"{filesystem.free_bytes / GIB:.1f} GiB are free for {state}"
    fix = "make room there: with a full disk the node refuses changes and engines lose their logs"
    if filesystem.free_bytes < FULL_BYTES:
        return problem("disk_space", text, fix)
    return warning("disk_space", text, fix) if filesystem.free_bytes < LOW_BYTES else ok("disk_space", text)


def _secrets(directory: Path) -> Iterator[Finding]:
    if not directory.is_dir():
        return
    files = sorted(directory.iterdir())
    unusable = [path for path in files if not _is_private(path)]
    for path in unusable:
        text = f"the secret `{path.name}` is no file that its owner alone can read: engines that name it do not start"
        yield problem("secret_modes", text, f"chown and chmod 600 {path}")
    if not unusable:
        yield ok("secret_modes", "every secret is readable by its owner alone" if files else "no secrets are kept")


def _is_private(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and not found.st_mode & 0o077 and found.st_uid in (0, os.geteuid())


def _socket(path: Path) -> Finding:
    found = path.stat()
    text = f"{path}, mode {stat.S_IMODE(found.st_mode):o}"
    if not stat.S_ISSOCK(found.st_mode):
        return problem("socket_mode", f"{path} is no socket", f"remove {path} and restart the agent")
    if found.st_mode & 0o007:
        return problem("socket_mode", f"{text}: everybody may connect", f"chmod o-rwx {path}, and restart the agent")
    return ok("socket_mode", f"{text}, group {_group(found.st_gid)}")


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _roles(path: Path | None) -> Finding:
    if path is None:
        return info("roles_file", "no roles file: the agent's own user and root may do everything, others nothing")
    try:
        found = roles.read(path)
    except BadRoles as error:
        return problem("roles_file", error.message, error.hint)
    if lacking := [name for name in (*found.roles, *([found.group] if found.group else ())) if not _is_group(name)]:
        text = f"{path} names groups that this machine has not: {', '.join(sorted(set(lacking)))}"
        return warning("roles_file", text, "create them, or correct the names: nobody has these roles")
    return ok("roles_file", f"{path}: {len(found.roles)} groups have a role")


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
