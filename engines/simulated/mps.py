"""A process as a client of MPS: what CUDA would do with the environment it finds. Real in nothing but its manners.

    control socket   `client PID` ──► `server PATH`: join there    `fault`: not now    nothing there: run without MPS
    server socket    `PID`, held open while the client lives; its end is the server's

As with CUDA, a process that finds no daemon runs without MPS and without its limits, and says nothing.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

CONTROL = "control"
DIRECTORY, LIMIT, PERCENTAGE = (
    "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
)  # fmt: skip
UNITS_MIB = {"M": 1, "G": 1024}
TIMEOUT_S = 5.0


class NotReady(Exception):
    """CUDA_ERROR_MPS_SERVER_NOT_READY. The text is CUDA's."""


class Confinement:
    """What MPS holds this process to. Without a daemon nothing: no limit, all of the SMs."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Raises NotReady."""
        directory = environ.get(DIRECTORY)
        self._server = _join(Path(directory)) if directory else None
        self.memory_limit_mib = _limit_mib(environ.get(LIMIT, "")) if self._server else None
        self.compute_ratio = int(environ.get(PERCENTAGE, "100")) / 100 if self._server else 1.0

    def broken(self) -> bool:
        """Whether the server that this process computed through is gone."""
        if self._server is None:
            return False
        try:
            return self._server.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        if self._server:
            self._server.close()

    def fault(self) -> None:
        """A fatal error of this process is one of the server, and so of all its clients."""
        if self._server:
            self._server.sendall(b"fault\n")


def _join(directory: Path) -> socket.socket | None:
    try:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(TIMEOUT_S)
            control.connect(str(directory / CONTROL))
            control.sendall(f"client {os.getpid()}\n".encode())
            word, _, path = control.makefile().readline().strip().partition(" ")
        if word == "server":
            server = socket.socket(socket.AF_UNIX)
            server.connect(path)
            server.sendall(f"{os.getpid()}\n".encode())
            return server
    except OSError:
        return None
    if word == "fault":
        raise NotReady("CUDA error: the MPS server is not ready to accept new MPS client requests")
    return None


def _limit_mib(text: str) -> int | None:
    """Of the first visible device, which is the only one here: `0=12288M`."""
    entries = dict(entry.split("=", 1) for entry in text.split(",") if "=" in entry)
    size = entries.get("0", "")
    return int(size[:-1]) * UNITS_MIB[size[-1]] if size else None
