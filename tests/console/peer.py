"""The agent's side of a link, played by the test: bytes in memory, real framing."""

import asyncio
from collections.abc import Callable

from agents import wire
from agents.framing import FrameReader, encode, preamble
from console.remote.stream import Ending
from profiles.desired.model import Desired
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, InstanceStatus, NodeStatus, Phase, Role

NONCE = "0123abcd"


def status(*instances: InstanceStatus, at: float = 1000.0) -> NodeStatus:
    return NodeStatus(
        hostname="h", agent_version="0.1.0", boot_id="b", at_unix_s=at,
        host=HostReading(cores=4, memory_total_mib=1024), gpu_source=GpuSource(GpuSourceKind.NONE),
        instances=instances,
    )  # fmt: skip


def snapshot(*instances: InstanceStatus, desired: Desired | None = None) -> wire.Snapshot:
    return wire.Snapshot(status=status(*instances), desired=desired or Desired())


def instance(name: str, phase: Phase, since: float = 1.0) -> InstanceStatus:
    return InstanceStatus(
        name=name, profile="p", revision=1, engine="simulated", model="m", phase=phase, since_unix_s=since
    )


class Peer:
    """A console.remote.stream.Stream. `hello` answers the console's; requests go to `answer`."""

    way = "test"

    def __init__(self, *, hello: wire.AnyFrame | None = None, first: bytes | None = None, ending: Ending | None = None,
                 answer: Callable[[wire.Request], wire.AnyFrame | None] = lambda request: None) -> None:  # fmt: skip
        self.hello = hello or wire.Hello(version="0.1.0", role=Role.OPERATOR, node="h", socket="/run/x.sock")
        self.said: list[wire.AnyFrame] = []
        self._held = b""
        self.answer = answer
        self.pongs = True
        self.broken: OSError | None = None
        self._ending = ending or Ending()
        self._frames = FrameReader()
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._out.put_nowait(preamble(NONCE) if first is None else first)

    def say(self, *frames: wire.AnyFrame) -> None:
        """Frames of the agent; before the console's Hello they wait for it."""
        data = b"".join(encode(frame) for frame in frames)
        if self.said:
            self._out.put_nowait(data)
        else:
            self._held += data

    def say_bytes(self, data: bytes) -> None:
        self._out.put_nowait(data)

    def end(self) -> None:
        self._out.put_nowait(b"")

    async def read(self) -> bytes:
        data = await self._out.get()
        if self.broken:
            raise self.broken
        if not data:
            self._out.put_nowait(b"")
        return data

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise self.broken
        for frame in self._frames.frames(data):
            self.said.append(frame)
            match frame:
                case wire.Hello():
                    self._out.put_nowait(encode(self.hello) + self._held)
                case wire.Ping() if self.pongs:
                    self.say(wire.Pong(number=frame.number))
                case wire.Request():
                    if (answered := self.answer(frame)) is not None:
                        self.say(answered)

    async def ending(self) -> Ending:
        return self._ending

    def close(self) -> None:
        self.end()


class Line:
    """A console.remote.stream.Dial and its Connections: each dial or open takes the next of `peers`."""

    def __init__(self, *peers: Peer | Exception) -> None:
        self.peers = list(peers)
        self.sockets: list[str] = []
        self.closed = 0

    async def __call__(self, socket: str) -> "Line":
        self.sockets.append(socket)
        if self.peers and isinstance(self.peers[0], Exception):
            raise self.peers.pop(0)
        return self

    async def open(self) -> Peer:
        if not self.peers:
            await asyncio.Event().wait()
        peer = self.peers.pop(0)
        if isinstance(peer, Exception):
            raise peer
        return peer

    async def close(self) -> None:
        self.closed += 1


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)
