"""One agent process on a state directory of its own, with engines that tell of double starts."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agents.layout import Layout
from agents.processes import tree
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from tests.faults import engine

LIMIT_S = 30.0
QUICK = {"load_seconds": 0.0, "decode_base_ms": 2.0, "shutdown_timeout": 5.0}
AGENT = (sys.executable, "-P", "-m", "agents")


@dataclass
class FaultNode:
    """`start` runs the agent, `kill` ends it, and so on again; `engines` are there whatever becomes of it."""

    root: Path
    state: Path
    environ: dict[str, str] = field(default_factory=dict)
    agent: "subprocess.Popen[bytes] | None" = None
    command: tuple[str, ...] = AGENT
    simulated: bool = True
    """Whether its GPUs are (none of) a simulated device directory, or the driver's."""

    @property
    def layout(self) -> Layout:
        return Layout.find(state=self.state)

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def said(self) -> str:
        return (self.root / "agent.err").read_text(errors="replace")

    def start(self, *, wait: bool = True, fail_points: str = "") -> "subprocess.Popen[bytes]":
        """A new agent process; `wait` until its socket is there."""
        environ = os.environ | self.environ | ({"GPUYARD_FAIL_POINT": fail_points} if fail_points else {})
        gpus = ("--simulated", str(self.root / "gpus")) if self.simulated else ()
        before = self._socket_inode()
        with (self.root / "agent.err").open("ab") as errors:
            self.agent = subprocess.Popen(
                [*self.command, "serve", "--state", str(self.state), *gpus],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd="/", env=environ,
            )  # fmt: skip
        if wait:
            wait_until(lambda: self._socket_inode() not in (None, before) or self._ended(), "the agent listens")
            assert not self._ended(), self.said
        return self.agent

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Signal the agent, wait for its end, and give its exit status."""
        assert self.agent is not None
        with suppress(ProcessLookupError):
            self.agent.send_signal(number)
        status = self.agent.wait(LIMIT_S)
        self.agent = None
        return status

    def engines(self) -> dict[str, list[int]]:
        """Instance → pids of its main processes: more than one is a double start."""
        found: dict[str, list[int]] = {}
        for pid, one in tree.everyone().items():
            mark = tree.marked(pid)
            if mark and mark[1] == str(self.state) and one.session == pid:
                found.setdefault(mark[0], []).append(pid)
        return found

    def shim_of(self, engine: int) -> int:
        """The pid of the shim that started it and is its parent for life."""
        found = tree.stat(engine)
        assert found is not None
        assert b"shim" in Path(f"/proc/{found.parent}/cmdline").read_bytes()
        return found.parent

    def starts(self) -> list[tuple[int, str, str]]:
        """(pid, instance, ok or DOUBLE) in order."""
        with suppress(FileNotFoundError):
            lines = (self.ledger / "starts").read_text().splitlines()
            return [(int(pid), name, said) for pid, name, said in map(str.split, lines)]
        return []

    def spec(self, name: str, *, wanted: Wanted = Wanted.RUNNING, asked: int = 0, **options: object) -> DesiredInstance:
        """An instance of the simulated engine under the program that keeps the ledger."""
        program = {"program": str(self.root / "engine")}
        one = InstanceSpec(
            name=name, service=name.split("/")[0], engine="simulated", model="m", wanted=wanted, restarts_asked=asked,
            options=QUICK | options | program, env={engine.LEDGER: str(self.ledger)},
        )  # fmt: skip
        return DesiredInstance(profile="p", revision=1, spec=one)

    def clean(self) -> None:
        """End the agent, then every process that carries the state directory."""
        if self.agent is not None:
            self.kill()
        give_up = time.monotonic() + LIMIT_S
        while left := [pid for pid in tree.everyone() if self._is_ours(pid)]:
            assert time.monotonic() < give_up, f"processes {left} cannot be ended"
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _is_ours(self, pid: int) -> bool:
        if pid == os.getpid():
            return False
        with suppress(OSError):
            state = os.fsencode(self.state)
            return any(state in Path(f"/proc/{pid}/{what}").read_bytes() for what in ("cmdline", "environ"))
        return False

    def _ended(self) -> bool:
        return self.agent is None or self.agent.poll() is not None

    def _socket_inode(self) -> int | None:
        with suppress(FileNotFoundError):
            return self.layout.socket.stat().st_ino
        return None


@contextmanager
def node(*, simulated: bool = True) -> Iterator[FaultNode]:
    """A node without GPUs, not started yet; all of it is gone afterwards. The path is short, for the socket's sake."""
    root = Path(tempfile.mkdtemp(prefix="gyf"))
    made = FaultNode(root, root / "s", simulated=simulated)
    made.ledger.mkdir()
    (root / "gpus").mkdir()
    (root / "gpus" / "devices.json").write_text("[]")
    program = root / "engine"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {engine.__file__} "$@"\n')
    program.chmod(0o700)
    try:
        yield made
    finally:
        made.clean()
        shutil.rmtree(root, ignore_errors=True)


def wait_until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    give_up = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < give_up, f"waited {limit_s:g} s in vain: {what}"
        time.sleep(0.01)
