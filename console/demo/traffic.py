"""`python -m console.demo.traffic ROOT SEED NODES GPUS`: people who ask the demo's engines, whatever they answer.

Arrivals are an open-loop Poisson process with a slow sine: they do not wait for answers, so a slow engine
queues as it would in life. At most IN_FLIGHT requests of a service are under way; what comes on top is dropped.
"""

import asyncio
import math
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from console.demo.node import names
from console.demo.services import DemoService, fitted
from console.demo.unixsocket import Watch
from profiles.observed.status import Phase

IN_FLIGHT = 24
SWING_RATIO = 0.5
SWING_PERIOD_S = 120.0
SURGE = 6.0
"""So many times as much is asked of a service while its surge file is there."""
ANSWER_LIMIT_S = 120.0
MAX_REPLY_BYTES = 64 * 1024


def surge_file(root: Path, service: str) -> Path:
    return root / f"surge-{service}"


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class Caller:
    """The callers of one service."""

    def __init__(self, root: Path, service: DemoService, watches: list[Watch], chance: random.Random) -> None:
        self._root = root
        self._service = service
        self._watches = watches
        self._chance = chance
        self._phase = chance.uniform(0, math.tau)
        self._under_way: set[asyncio.Task[None]] = set()
        self._models: dict[int, str] = {}

    async def run(self) -> None:
        while True:
            swing = 1 + SWING_RATIO * math.sin(math.tau * time.monotonic() / SWING_PERIOD_S + self._phase)
            many = SURGE if surge_file(self._root, self._service.name).exists() else 1.0
            await asyncio.sleep(self._chance.expovariate(self._service.requests_per_s * swing * many))
            ports = self._ports()
            if ports and len(self._under_way) < IN_FLIGHT * many:
                task = asyncio.create_task(self._ask(self._chance.choice(ports)))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    def _ports(self) -> list[int]:
        return sorted(
            found.port
            for watch in self._watches
            if watch.status
            for found in watch.status.instances
            if found.phase in (Phase.READY, Phase.DEGRADED) and found.port and self._is_ours(found.name)
        )

    def _is_ours(self, instance: str) -> bool:
        return instance.rpartition("/")[0] == self._service.name

    async def _ask(self, port: int) -> None:
        with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, msgspec.DecodeError):
            async with asyncio.timeout(ANSWER_LIMIT_S):
                if port not in self._models:
                    page = await exchange(port, "GET", "/v1/models", b"")
                    self._models[port] = msgspec.json.decode(page, type=_Models).data[0].id
                await exchange(port, "POST", "/v1/completions", self._request(self._models[port]))

    def _request(self, model: str) -> bytes:
        words = max(1, round(self._chance.gauss(self._service.prompt_tokens, self._service.prompt_tokens / 4)))
        answer = max(1, round(self._chance.gauss(self._service.answer_tokens, self._service.answer_tokens / 4)))
        body = {"model": model, "prompt": [0] * words, "max_tokens": answer, "stream": True}
        return msgspec.json.encode(body)


async def exchange(port: int, method: str, path: str, body: bytes) -> bytes:
    """The beginning of the answer's body; the rest of it is read and forgotten. Raises OSError, ValueError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        kept = b""
        while data := await reader.read(MAX_REPLY_BYTES):
            kept += data[: MAX_REPLY_BYTES - len(kept)]
        header, _, rest = kept.partition(b"\r\n\r\n")
        if not header.startswith(b"HTTP/1.1 200"):
            raise ValueError(header[:100].decode("latin-1"))
        return rest
    finally:
        writer.close()


async def serve(root: Path, seed: int, services: list[DemoService], nodes: list[str]) -> None:
    watches = [Watch(root / name / "state" / "agent.sock") for name in nodes]
    async with asyncio.TaskGroup() as group:
        for watch in watches:
            group.create_task(watch.run())
        for number, service in enumerate(services):
            group.create_task(Caller(root, service, watches, random.Random(seed * 1000 + number)).run())


def main() -> None:
    root, seed, nodes, gpus = Path(sys.argv[1]), int(sys.argv[2]), names(int(sys.argv[3])), int(sys.argv[4])
    asyncio.run(serve(root, seed, fitted(nodes, gpus), nodes))


if __name__ == "__main__":
    main()
