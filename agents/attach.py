"""The bridge that ssh runs: stdio on this side, the daemon's Unix socket on the other. Standard library only.

    console ══ssh══ stdin, stdout ── attach ── agent.sock ── daemon (started here when there is none)

It knows nothing of frames. It says one line first: how the connection came in, and what can only lower its role.
"""

import contextlib
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agents.errors import CannotAttach
from agents.layout import Layout

if TYPE_CHECKING:
    from subprocess import Popen

START_LIMIT_S = 20.0
POLL_S = 0.02
COPY_BYTES = 64 * 1024
LOG_KEPT_BYTES = 1024 * 1024
LOG_TAIL_CHARS = 800
ADDRESS_CHARS = frozenset("0123456789abcdefABCDEF.:%")


def attach(
    layout: Layout, *, role: str | None = None, label: str = "", simulated: Path | None = None, may_start: bool = True
) -> None:
    """Copy until either side closes. Raises CannotAttach."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a shell may have told us to ignore it
    connection = connect(layout.socket) or (start(layout, simulated) if may_start else _await_socket(layout))
    with connection:
        try:
            connection.sendall(introduction(role, label))
            threading.Thread(target=_send_input, args=(connection,), daemon=True).start()
            while data := connection.recv(COPY_BYTES):
                _write_all(1, data)
        except OSError:
            pass  # either side closed: that is how a bridge ends


def introduction(role: str | None, label: str, environ: Mapping[str, str] = os.environ) -> bytes:
    """The line that tells the daemon how this connection came in; sshd's word is in the environment."""
    client = environ.get("SSH_CONNECTION", "").split()
    way = "forced" if "SSH_ORIGINAL_COMMAND" in environ else "bridge" if client else "local"
    words = [f"way={way}", f"role={role}" if role else "", f"as={label}" if label else ""]
    if len(client) > 1 and all(char in ADDRESS_CHARS for char in client[0]):
        words.append(f"from={client[0]}")
    return f"gpuyard-bridge {' '.join(filter(None, words))}\n".encode()


def connect(path: Path) -> socket.socket | None:
    """None where nobody listens. Raises CannotAttach where we may not."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(os.fspath(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise CannotAttach(f"cannot use the socket {path}: {error}", "log in as the user that runs the agent") from None
    return connection


def start(layout: Layout, simulated: Path | None) -> socket.socket:
    """Start a daemon, unless another bridge just did, and connect. Raises CannotAttach."""
    try:
        layout.make()
        with only_one(layout):
            return connect(layout.socket) or _await_socket(layout, _spawn(layout, simulated))
    except OSError as error:
        raise CannotAttach(f"no daemon can be started in {layout.state}: {error}", "give a writable --state") from None


def _spawn(layout: Layout, simulated: Path | None) -> "Popen[bytes]":
    """A daemon of its own session, with no tie to the terminal, the directory or the pipes of this process."""
    from subprocess import DEVNULL, Popen

    with contextlib.suppress(FileNotFoundError):
        if layout.log.stat().st_size > LOG_KEPT_BYTES:
            layout.log.rename(layout.log.with_name("agent.log.1"))
    command = [sys.executable, "-P", "-m", "agents", "serve"]
    command += ["--state", os.fspath(layout.state), "--socket", os.fspath(layout.socket)]
    if simulated:
        command += ["--simulated", os.fspath(simulated.absolute())]
    with layout.log.open("ab") as log:
        return Popen(command, stdin=DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)


def _await_socket(layout: Layout, daemon: "Popen[bytes] | None" = None) -> socket.socket:
    """Of `daemon`, or, without one, of whoever else starts it."""
    give_up = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up:
        if connection := connect(layout.socket):
            return connection
        if daemon is not None and daemon.poll() is not None and not is_locked(layout.lock):
            raise CannotAttach(f"the daemon ended with {daemon.returncode}: {tail(layout.log)}", f"see {layout.log}")
        time.sleep(POLL_S)
    raise CannotAttach(
        f"the daemon did not listen at {layout.socket} within {START_LIMIT_S:g} s: {tail(layout.log)}",
        f"see {layout.log}",
    )


@contextlib.contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """One bridge at a time starts a daemon; the others wait and find it."""
    with (layout.state / "start.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_locked(path: Path) -> bool:
    """Is there a daemon that holds this state directory?"""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def tail(path: Path) -> str:
    try:
        text = path.read_bytes()[-4 * LOG_TAIL_CHARS :].decode("utf-8", "replace")
    except OSError as error:
        return str(error)
    return text.strip()[-LOG_TAIL_CHARS:] or "it said nothing"


def _send_input(connection: socket.socket) -> None:
    """stdin to the socket; its end is the end of the bridge."""
    with contextlib.suppress(OSError):
        while data := os.read(0, COPY_BYTES):
            connection.sendall(data)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
