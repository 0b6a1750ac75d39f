"""`gpuyard-agent metrics`: what the daemon of this machine knows now, as a Prometheus page, for a file collector.

    socket ──► its Hello ──► ours ──► its Snapshot ──► profiles.watching.metrics.node_page

The same page as that of `gpuyard export` for a fleet, without money: a node knows no prices. Nothing listens for it.
"""

import socket
import sys
import time

from agents import attach, wire
from agents.errors import AgentError
from agents.framing import FrameReader, FramingError, encode, preamble
from agents.layout import Layout
from profiles.watching.metrics import node_page

LIMIT_S = 10.0


def metrics(layout: Layout) -> None:
    """Print the page. Raises AgentError where no daemon answers."""
    connection = attach.connect(layout.socket)
    if connection is None:
        raise AgentError(f"no daemon listens on {layout.socket}", "start it with `gpuyard-agent serve`")
    with connection:
        try:
            snapshot = _snapshot(connection, time.monotonic() + LIMIT_S)
        except (OSError, FramingError) as error:
            raise AgentError(f"the daemon gave no snapshot: {error}", f"see {layout.log}") from None
    sys.stdout.write(node_page(snapshot.status, snapshot.desired))


def _snapshot(connection: socket.socket, give_up: float) -> wire.Snapshot:
    """Raises OSError, TimeoutError among them, and FramingError."""
    reader = FrameReader()
    greeted = False
    while True:
        connection.settimeout(max(give_up - time.monotonic(), 0.001))
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError("it closed the connection")
        frames = reader.frames(data)
        if reader.nonce and not greeted:
            connection.sendall(preamble(reader.nonce) + encode(wire.Hello()))
            greeted = True
        for frame in frames:
            if isinstance(frame, wire.Snapshot):
                return frame
            if isinstance(frame, wire.Failure):
                raise ConnectionRefusedError(frame.message)
