"""A host on which nothing of gpuyard is: OpenSSH's sshd among files of its own, with accounts that only it knows.

sshd runs in a mount namespace. What an installation writes (/opt, /home, /run, /var/lib, /usr/local/bin, systemd's
and cron's directories) are directories of the test there, and accounts are lines of a private copy of /etc; the rest
is this machine. Needs root.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.e2e.sshd import PROGRAM, START_LIMIT_S, free_port, keygen, wait_until

FIRST_UID = 64200
CONSOLE_LIMIT_S = 120.0
OWN = ("opt", "home", "run", "var/lib", "usr/local/bin", "etc/systemd/system")

SYSTEMCTL = """#!/bin/sh
case "$1 $2" in
"is-active "*) exit 3 ;;
"restart "*)
    mkdir -p -m 700 /var/lib/gpuyard; mkdir -p -m 755 /run/gpuyard
    setsid $(sed -n 's/^ExecStart=//p' /etc/systemd/system/gpuyard-agent.service) </dev/null >/dev/null 2>&1 & ;;
esac
"""


@dataclass
class BareHost:
    """`files` is what the host has of its own, by the path that it has there. `overlay`: file here → path there."""

    folder: Path
    users: Sequence[str]
    port: int = field(default_factory=free_port)
    options: list[str] = field(default_factory=list)
    overlay: dict[str, str] = field(default_factory=dict)
    set_up: list[str] = field(default_factory=list)
    """Shell lines that are run in the namespace before sshd."""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def console_home(self) -> Path:
        return self.folder / "console"

    def home(self, user: str) -> Path:
        return self.files / "home" / user

    def start(self) -> None:
        assert PROGRAM is not None
        self._write_config()
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-ec", self._script(PROGRAM)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"},
            )  # fmt: skip
        wait_until(self._listens, START_LIMIT_S, f"sshd listens: {(self.folder / 'sshd.log').read_text()}")

    def keep_by_unit(self, roles: str) -> None:
        """Before its start: a systemctl that starts what the unit names, and `roles` for that agent to read."""
        (self.folder / "etc/gpuyard").mkdir(exist_ok=True)
        (self.folder / "etc/gpuyard/roles.toml").write_text(roles)
        (self.files / "run/systemd/system").mkdir(parents=True)
        systemctl = self.files / "usr/local/bin/systemctl"
        systemctl.write_text(SYSTEMCTL)
        systemctl.chmod(0o755)

    def stop(self) -> None:
        """Everything that lives in the namespace: sshd, agents, engines."""
        if self.process is None:
            return
        wait_until(self._kill_all, 10, "everything in the namespace is gone")
        self.process.wait()
        self.process = None

    def pids(self) -> list[int]:
        """Of all that was ever started in it."""
        assert self.process is not None
        ours = _namespace(self.process.pid)
        return [pid for pid in psutil.pids() if ours is not None and _namespace(pid) == ours]

    def agents(self) -> list[int]:
        """The daemons."""
        return [pid for pid in self.pids() if "serve" in _words(pid)]

    def write_inventory(self, **more: str) -> Path:
        """A node for each user, named like him, behind a jump host that is the host itself."""
        key = self.folder / "login"
        config = self.console_home / ".ssh" / "config"
        config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = f"Host jump\n  HostName 127.0.0.1\n  Port {self.port}\n  User {self.users[0]}\n  IdentityFile {key}\n"
        config.write_text(f"{line}Host 127.0.0.1\n  ProxyJump jump\n")
        host_key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        (config.parent / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}\n")
        shared = {"address": "127.0.0.1", "port": str(self.port), "identity_file": str(key)} | more
        fields = ", ".join(f"{key}: {value}" for key, value in shared.items())
        path = self.folder / "inventory.yaml"
        nodes = "".join(f"  {user}: {{{fields}, user: {user}}}\n" for user in self.users)
        path.write_text(f"gpuyard: 1\nnodes:\n{nodes}")
        return path

    def console(self, *words: str, environ: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "console", *words, "--inventory", str(self.folder / "inventory.yaml")]
        env = self.environment() | dict(environ or {})
        return subprocess.run(argv, capture_output=True, text=True, timeout=CONSOLE_LIMIT_S, env=env,
                              stdin=subprocess.DEVNULL, check=False, cwd=self.folder)  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Of a console with a home of its own; the wheels are fetched once for all tests."""
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        return {"PATH": os.environ["PATH"], "HOME": str(self.console_home), "LANG": "C.UTF-8", "XDG_CACHE_HOME": cache}

    def _write_config(self) -> None:
        (self.folder / "sshd_config").write_text("\n".join([
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.folder / 'host'}", "PidFile none",
            "AuthorizedKeysFile /run/authorized", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
            "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "MaxStartups 100",
            "Subsystem sftp internal-sftp", *self.options,
        ]) + "\n")  # fmt: skip

    def _script(self, sshd: str) -> str:
        lines = [f"mount --bind {self.folder}/etc /etc"]
        lines += [f"mount --bind {self.files}/{place} /{place}" for place in OWN]
        lines += [f"mount --bind {here} {there}" for there, here in self.overlay.items()]
        return "\n".join([*lines, *self.set_up, f"exec {sshd} -D -e -f {self.folder / 'sshd_config'}"])

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.bind(("127.0.0.2", 0))  # see tests.e2e.sshd
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _kill_all(self) -> bool:
        assert self.process is not None
        found = [pid for pid in self.pids() if pid != self.process.pid]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            self.process.kill()
        return not found


@contextmanager
def bare_host(folder: Path, users: Sequence[str] = ("ada",), *, start: bool = True) -> Iterator[BareHost]:
    """With an account for each of `users`; `root` is one like any other."""
    if PROGRAM is None or os.geteuid() != 0:
        pytest.skip("needs root and OpenSSH's sshd")
    host = BareHost(folder, users)
    for place in OWN:
        (host.files / place).mkdir(parents=True)
    (host.files / "run" / "sshd").mkdir()
    accounts = {"root": 0, "sshd": 64199} | {user: FIRST_UID + at for at, user in enumerate(users) if user != "root"}
    lines = {name: f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n" for name, uid in accounts.items()}
    # The whole directory: a file that is mounted on /etc/passwd goes as soon as an account is made on this machine.
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    (folder / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    (folder / "etc/passwd").write_text("".join(lines.values()) + "nobody:x:65534:65534::/nonexistent:/bin/false\n")
    (folder / "etc/group").write_text("".join(f"{name}:x:{uid}:\n" for name, uid in accounts.items()))
    (folder / "etc/shadow").write_text("".join(f"{name}:*:20000:0:99999:7:::\n" for name in accounts))
    for name, uid in accounts.items():
        host.home(name).mkdir(mode=0o755)
        os.chown(host.home(name), uid, uid)
    keygen(folder / "login")
    keygen(folder / "host")
    shutil.copy(folder / "login.pub", host.files / "run" / "authorized")
    host.write_inventory()
    try:
        if start:
            host.start()
        yield host
    finally:
        host.stop()


def _namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except OSError:
        return None


def _words(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
