"""What a real driver sees by itself: engines on MIG devices, told to the fake one by their environment.

async with occupied(driver, state): …   every living engine of that state directory holds memory on the device of its
                                        CUDA_VISIBLE_DEVICES, for as long as it lives
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agents.processes import tree
from tests.fakes.nvml.driver import MIB, FakeDriver

HELD_MIB = 4096
LOOK_S = 0.1


@asynccontextmanager
async def occupied(driver: FakeDriver, state: Path) -> AsyncIterator[None]:
    task = asyncio.create_task(_follow(driver, state))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(driver: FakeDriver, state: Path) -> None:
    told: dict[str, int] = {}
    while True:
        places = devices(driver)
        now = {f"{places[device]}.compute.{pid}": HELD_MIB * MIB for pid, device in engines(state) if device in places}
        if now != told:
            for key in told.keys() - now.keys():
                driver.state.pop(key, None)
            driver.set(dict(now))
            told = now
        await asyncio.sleep(LOOK_S)


def devices(driver: FakeDriver) -> dict[str, str]:
    """UUID of a device → `gpu0.gi1`, and the GPU's own → `gpu0`."""
    try:
        lines = (driver.directory / "partition").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    found = {
        value: key.replace(".ci", ".gi") for key, _, value in (line.partition("=") for line in lines) if ".ci" in key
    }
    return found | {str(value): key.partition(".")[0] for key, value in driver.state.items() if _IS_UUID.fullmatch(key)}


_IS_UUID = re.compile(r"gpu\d+\.uuid")


def engines(state: Path) -> list[tuple[int, str]]:
    """Main processes of engines of `state`, with the device that each was given."""
    found = []
    for pid, one in tree.everyone().items():
        mark = tree.marked(pid)
        if mark is None or mark[1] != str(state) or one.session != pid or one.zombie:
            continue
        try:
            entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        device = next(
            (entry.partition(b"=")[2].decode() for entry in entries if entry.startswith(b"CUDA_VISIBLE_D")), ""
        )
        found.append((pid, device))
    return found
