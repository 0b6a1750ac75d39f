"""The seam between the protocol and what carries it: ssh (console.remote.ssh) or a process (console.remote.local)."""

from typing import NamedTuple, Protocol

STDERR_KEPT_BYTES = 4096


class Ending(NamedTuple):
    """How the far side ended; both empty where the way in does not tell."""

    exit_status: int | None = None
    stderr: str = ""


class Executed(NamedTuple):
    """A command that came to its end; `exit_status` None where it was ended by a signal."""

    exit_status: int | None
    stdout: bytes
    stderr: str


class Stream(Protocol):
    """Bytes both ways. Broken ways raise OSError from `read` and `write`, never anything else."""

    way: str
    """socket, bridge or local."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def ending(self) -> Ending:
        """To be asked once `read` has come to the end."""
        ...

    def close(self) -> None: ...


class Connection(Protocol):
    """One connection to a node; each `open` is a stream of its own to the agent there."""

    async def open(self) -> Stream:
        """Raises Lost or LinkRefused."""
        ...

    async def close(self) -> None: ...


class Dial(Protocol):
    """Connects to one node. `socket` is where the agent listened the last time, or "". Raises Lost or LinkRefused."""

    async def __call__(self, socket: str) -> Connection: ...
