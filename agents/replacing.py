"""Puts this build in the place of the daemon that runs. Engines, which are nobody's children, do not notice.

    files readable? ─► start.lock ─► old: SIGTERM, until its lock is free ─► new: serve ─► its Hello within 20 s
         └─► refused, nothing was touched                                        └─► else the old build serves again

Bridges that come meanwhile wait at start.lock, so that none of them starts a daemon in between.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from agents import attach, state, wire
from agents.access.peer import peer_of
from agents.errors import AgentError, CannotAttach
from agents.framing import FrameReader, FramingError, encode, preamble
from agents.layout import Layout

STOP_LIMIT_S = 20.0
HELLO_LIMIT_S = 20.0
LOOK_S = 0.02


class CannotReplace(AgentError):
    """The daemon that ran before runs still, or again; where not, the message says so."""


class Daemon(msgspec.Struct, frozen=True):
    """How a daemon was started, so that it can be started again."""

    argv: tuple[str, ...]
    environ: dict[str, str]
    cwd: str = "/"


def replace(layout: Layout, arguments: list[str], hello_limit_s: float = HELLO_LIMIT_S) -> wire.Hello:
    """The Hello of the new daemon. `arguments` are those of `serve` where none runs yet. Raises AgentError, OSError."""
    state.check(layout.versioned())
    layout.make()
    with attach.only_one(layout):
        pid = holder(layout)
        if pid is None:
            return _start(ours(arguments), layout, hello_limit_s)
        old = described(pid)
        _end(pid)
        try:
            return _start(successor(old), layout, hello_limit_s)
        except CannotReplace as error:
            _start(old, layout, hello_limit_s)
            raise CannotReplace(f"{error.message}; the build before serves again", error.hint) from None


def holder(layout: Layout) -> int | None:
    """The pid of the daemon that has the state directory. Raises CannotReplace for one that is only just starting."""
    if not layout.lock.exists() or not attach.is_locked(layout.lock):
        return None
    try:
        return int(layout.lock.read_text())
    except ValueError:
        raise CannotReplace("the daemon that runs has only just begun", "try again") from None


def described(pid: int) -> Daemon:
    """Raises CannotReplace for a daemon that a service manager would start again itself, OSError."""
    place = Path(f"/proc/{pid}")
    entries = (place / "environ").read_bytes().decode(errors="surrogateescape").split("\0")
    environ = dict(entry.split("=", 1) for entry in entries if "=" in entry)
    if environ.get("SYSTEMD_EXEC_PID") == str(pid):
        hint = "point its unit at this build, then `systemctl restart` it: engines go on"
        raise CannotReplace(f"the daemon (pid {pid}) is kept by systemd", hint)
    argv = (place / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
    return Daemon(tuple(argv), environ, str((place / "cwd").readlink()))


def ours(arguments: list[str]) -> Daemon:
    return Daemon((sys.executable, "-P", "-m", "agents", "serve", *arguments), dict(os.environ))


def successor(old: Daemon) -> Daemon:
    """This build with the old one's words and environment, apart from what tells Python where its modules are."""
    arguments = old.argv[old.argv.index("serve") + 1 :]
    environ = {name: value for name, value in old.environ.items() if not name.startswith("PYTHON")}
    environ |= {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    return Daemon(ours([*arguments]).argv, environ, old.cwd)


def _end(pid: int) -> None:
    """Until the daemon is gone, by force where it does not go. Raises OSError."""
    pidfd = os.pidfd_open(pid)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            if select.select([pidfd], [], [], STOP_LIMIT_S)[0]:
                return
    finally:
        os.close(pidfd)


def _start(daemon: Daemon, layout: Layout, hello_limit_s: float) -> wire.Hello:
    """Raises CannotReplace when it does not say Hello in time; then it is gone."""
    with layout.log.open("ab") as log:
        process = subprocess.Popen(
            daemon.argv, env=daemon.environ, cwd=daemon.cwd,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    give_up = time.monotonic() + hello_limit_s
    while process.poll() is None and time.monotonic() < give_up:
        with suppress(OSError, CannotAttach, FramingError):
            if hello := _hello(layout, process.pid, give_up):
                return hello
        time.sleep(LOOK_S)
    said = f"ended with {process.returncode}" if process.poll() is not None else f"said no Hello in {hello_limit_s:g} s"
    process.kill()
    process.wait()
    raise CannotReplace(f"the new daemon {said}: {attach.tail(layout.log)}", f"see {layout.log}")


def _hello(layout: Layout, pid: int, give_up: float) -> wire.Hello | None:
    """What the daemon `pid` says first; None while it does not listen. Raises OSError, CannotAttach, FramingError."""
    connection = attach.connect(layout.socket)
    if connection is None:
        return None
    with connection:
        if peer_of(connection).pid != pid:
            return None
        reader = FrameReader()
        greeted = False
        while True:
            connection.settimeout(max(give_up - time.monotonic(), LOOK_S))
            data = connection.recv(65536)
            frames = reader.frames(data)
            if reader.nonce and not greeted:
                connection.sendall(preamble(reader.nonce) + encode(wire.Hello(telemetry=False)))
                greeted = True
            if frames or not data:
                return frames[0] if frames and isinstance(frames[0], wire.Hello) else None
