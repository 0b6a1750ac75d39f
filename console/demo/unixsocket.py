"""The protocol over an agent's own socket, for the demo's processes on the same machine."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from agents.wire import Delta, Happened, Hello, Snapshot
from console.remote.errors import RemoteError
from console.remote.session import Session, greet
from console.remote.stream import Ending
from profiles.desired.model import Desired
from profiles.observed.status import NodeStatus

RECONNECT_S = 0.2
READ_BYTES = 256 * 1024
AUTHOR = "gpuyard demo"


class UnixStream:
    way = "socket"

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ending(self) -> Ending:
        return Ending()

    def close(self) -> None:
        self._writer.close()


async def connect(socket: Path) -> Session:
    """Raises OSError, or Lost or LinkRefused."""
    reader, writer = await asyncio.open_unix_connection(socket)
    stream = UnixStream(reader, writer)
    try:
        return await greet(stream, Hello(author=AUTHOR))
    except BaseException:
        stream.close()
        raise


class Watch:
    """What one agent last said of its GPUs and instances, while `run` runs. `changed` is set at every word of it."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.session: Session | None = None
        self.status: NodeStatus | None = None
        self.desired = Desired()
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; connects again whenever the agent comes back."""
        while True:
            try:
                self.session = await connect(self._socket)
                await self.session.run(self._receive)
            except (OSError, RemoteError):
                self.session = None
            await asyncio.sleep(RECONNECT_S)

    async def until(self, condition: Callable[[NodeStatus], bool]) -> NodeStatus:
        while self.status is None or not condition(self.status):
            self.changed.clear()
            await self.changed.wait()
        return self.status

    def _receive(self, frame: Snapshot | Delta | Happened) -> None:
        match frame:
            case Snapshot():
                self.status, self.desired = frame.status, frame.desired
            case Delta() if self.status is not None:
                gpus = {gpu.uuid: gpu for gpu in (*self.status.gpus, *frame.gpus)}
                instances = {found.name: found for found in (*self.status.instances, *frame.instances)}
                self.status = replace(
                    self.status,
                    gpu_source=frame.gpu_source or self.status.gpu_source,
                    gpus=tuple(gpu for uuid, gpu in gpus.items() if uuid not in frame.gpus_gone),
                    instances=tuple(found for name, found in instances.items() if name not in frame.instances_gone),
                )
                self.desired = frame.desired or self.desired
        self.changed.set()
