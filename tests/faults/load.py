"""Requests that never stop, on engines that nobody touches: each one that fails is counted with its reason."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

BODY = json.dumps({"model": "m", "prompt": "one two three", "max_tokens": 24, "stream": True}).encode()
HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nConnection: close\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
LIMIT_S = 20.0


@dataclass
class Load:
    """`failed` maps a reason to how often."""

    served: int = 0
    failed: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def load(ports: list[int], *, pause_s: float = 0.1) -> AsyncIterator[Load]:
    """One stream at a time on each port."""
    counted = Load()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask_forever(port, pause_s, counted)) for port in ports]
        try:
            yield counted
        finally:
            for task in tasks:
                task.cancel()


async def _ask_forever(port: int, pause_s: float, counted: Load) -> None:
    while True:
        try:
            async with asyncio.timeout(LIMIT_S):
                answer = await _ask(port)
        except (OSError, TimeoutError) as error:
            counted.failed[f"port {port}: {type(error).__name__} {error}"] += 1
        else:
            if answer.startswith(b"HTTP/1.1 200") and b"[DONE]" in answer:
                counted.served += 1
            else:
                counted.failed[f"port {port}: {answer[:60]!r} … {answer[-60:]!r}"] += 1
        await asyncio.sleep(pause_s)


async def _ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        return await reader.read(-1)
    finally:
        writer.close()
