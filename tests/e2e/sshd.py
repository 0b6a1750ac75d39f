"""OpenSSH's sshd on loopback as the current user, with keys of its own, and a home for the console beside it."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from agents.processes.isolation import cgroup, hierarchy

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
START_LIMIT_S = 10.0


@dataclass
class Host:
    """One sshd and one agent's state directory. `agent` is the program that the inventory names."""

    folder: Path
    port: int
    home: Path
    state: Path
    agent: Path
    login_key: Path
    options: list[str] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    """What stands before sshd's program: it may have accounts of its own."""
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Raises AssertionError when sshd does not listen."""
        assert PROGRAM is not None
        config = self.folder / "sshd_config"
        config.write_text("\n".join([
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.folder / 'host'}", "PidFile none",
            f"AuthorizedKeysFile {self.folder / 'authorized'}", "StrictModes no", "UsePAM no",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password",
            "LogLevel INFO", *self.options,
        ]) + "\n")  # fmt: skip
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation wants it; a service would have made it
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen([*self.within, PROGRAM, "-D", "-e", "-f", str(config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)  # fmt: skip
        wait_until(self._listens, START_LIMIT_S, f"sshd listens: {(self.folder / 'sshd.log').read_text()}")

    def stop(self) -> None:
        """sshd and the connections that it serves."""
        if self.process is None:
            return
        tree = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        for pid in tree:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.process = None

    def new_host_key(self) -> None:
        for file in (self.folder / "host", self.folder / "host.pub"):
            file.unlink(missing_ok=True)
        keygen(self.folder / "host")

    def vouch(self) -> None:
        """Write the host's key where the user's ssh keeps known hosts."""
        known = self.home / ".ssh" / "known_hosts"
        known.parent.mkdir(mode=0o700, exist_ok=True)
        known.write_text(f"[127.0.0.1]:{self.port} {' '.join((self.folder / 'host.pub').read_text().split()[:2])}\n")

    def write_agent(self, script: str) -> None:
        self.agent.write_text(f"#!/bin/sh\n{script}\n")
        self.agent.chmod(0o755)

    def write_inventory(self, **more: str) -> Path:
        fields = {
            "address": "127.0.0.1", "port": str(self.port), "user": getpass.getuser(),
            "identity_file": str(self.login_key), "agent": str(self.agent), "site": "fra",
        } | more  # fmt: skip
        text = ", ".join(f"{key}: {value}" for key, value in fields.items())
        path = self.folder / "inventory.yaml"
        path.write_text(f"gpuyard: 1\nnodes:\n  here: {{{text}}}\n")
        return path

    def environment(self) -> dict[str, str]:
        """Of a console that has never seen this host, and no ssh agent."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}

    def console(self, *words: str, limit_s: float = 40.0) -> "subprocess.CompletedProcess[str]":
        """`gpuyard WORDS` on this inventory; it must end by itself within the limit."""
        argv = [sys.executable, "-m", "console", *words, "--inventory", str(self.folder / "inventory.yaml")]
        return subprocess.run(argv, capture_output=True, text=True, timeout=limit_s, env=self.environment(),
                              stdin=subprocess.DEVNULL, check=False, cwd=self.folder)  # fmt: skip

    def processes(self) -> list[int]:
        """Living processes that carry this host's state directory: agent, shims, engines."""
        return [one.pid for one in psutil.process_iter() if _carries(one, str(self.state))]

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.bind(("127.0.0.2", 0))  # from the same address a free port may be given to the probe: it meets itself
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def host(folder: Path, within: Sequence[str] = ()) -> Iterator[Host]:
    """A host that runs and is vouched for; whatever still runs on it is ended afterwards."""
    if PROGRAM is None:
        pytest.skip("OpenSSH's sshd is not installed")
    home = folder / "home"
    home.mkdir()
    state = folder / "state"
    found = Host(folder, free_port(), home, state, folder / "agent", folder / "login", within=list(within))
    found.write_agent(f'exec {sys.executable} -P -m agents "$@" --state {state}')
    keygen(folder / "login")
    keygen(folder / "host")
    (folder / "authorized").write_text((folder / "login.pub").read_text())
    found.vouch()
    found.write_inventory()
    try:
        found.start()
        yield found
    finally:
        found.stop()
        for pid in found.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: not found.processes(), START_LIMIT_S, "what ran on the host is gone")
        if root := hierarchy.mount():
            hierarchy.remove(hierarchy.own(root) / cgroup.base_name(state))


def keygen(path: Path, *words: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), *words], check=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"waited {limit_s} s in vain: {what}"
        time.sleep(0.02)


def _carries(one: psutil.Process, state: str) -> bool:
    try:
        if one.pid == os.getpid() or one.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(state in word for word in one.cmdline()) or any(state in value for value in one.environ().values())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
