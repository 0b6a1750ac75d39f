"""One node on loopback as an operator meets it: OpenSSH's sshd, an agent of its own, the real command line."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.real_engines import traffic

_PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Node:
    """`home` is the console's; `state` is the agent's."""

    home: Path
    state: Path
    inventory: Path

    def run(self, *words: str, expect: int = 0, limit_s: float = 240.0) -> str:
        """stdout of `gpuyard WORDS`, whose exit code must be `expect`."""
        argv = [str(_PROGRAMS / "gpuyard"), *words, "--inventory", str(self.inventory)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=limit_s, env=self._env(), check=False)
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def instances(self) -> dict[str, dict[str, Any]]:
        """Every instance of `gpuyard instances --json` by name."""
        return {row["name"]: row for row in json.loads(self.run("instances", "--json"))["items"]}

    def processes(self) -> list[int]:
        """Living processes that carry this agent's state directory (engines, shims, the agent), and what they began:
        vLLM's engine process writes its title over its environment.
        """
        own = [one for one in psutil.process_iter() if _belongs(one, str(self.state))]
        return sorted({one.pid for one in own} | {child.pid for one in own for child in _children(one)})

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}


def _children(one: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in one.children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def _belongs(one: psutil.Process, state: str) -> bool:
    try:
        if one.status() == psutil.STATUS_ZOMBIE or one.pid == os.getpid():
            return False
        return any(state in word for word in one.cmdline()) or state in one.environ().get("GPUYARD_STATE", "")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


@contextmanager
def running(folder: Path) -> Iterator[Node]:
    """A node that is gone afterwards, with whatever still ran on it."""
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    state = folder / "state"
    for name in ("host", "login"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    agent = folder / "agent"
    agent.write_text(f'#!/bin/sh\nexec {_PROGRAMS / "gpuyard-agent"} "$@" --state {state}\n')
    agent.chmod(0o755)
    inventory = folder / "inventory.yaml"
    inventory.write_text(
        f"gpuyard: 1\nnodes:\n  here: {{address: 127.0.0.1, port: {port}, user: {getpass.getuser()}, "
        f"identity_file: {folder / 'login'}, agent: {agent}}}\n"
    )
    node = Node(home, state, inventory)
    with _sshd(folder, port):
        try:
            yield node
        finally:
            for pid in node.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def _sshd(folder: Path, port: int) -> Iterator[None]:
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\n"
        f"AuthorizedKeysFile {folder / 'login.pub'}\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation wants it; a service would have made it
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "install openssh-server"
    with (folder / "sshd.log").open("wb") as log:
        daemon = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=log)
    try:
        traffic.until(lambda: _listens(port), 10.0, "sshd listens")
        yield
    finally:
        daemon.terminate()
        daemon.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
