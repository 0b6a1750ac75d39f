"""The kernel's log as a second witness of XIDs: some (79, 119, 120) come when the driver can no longer tell them.

    /dev/kmsg    4,1234,5678901,-;NVRM: Xid (PCI:0000:1b:00): 79, pid=4242, name=python3, GPU has fallen off the bus.
                 priority, number, µs since the boot

Read in the agent itself, for the reader process may hang in the driver just then. Reading it takes a right where
`kernel.dmesg_restrict` is 1; containers often have none.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

KMSG = Path("/dev/kmsg")
_RECORD_BYTES = 8192
"""The kernel refuses a shorter buffer than a record is long (CONSOLE_EXT_LOG_MAX)."""

_LINE = re.compile(
    r"(?P<priority>\d+),(?P<record>\d+),(?P<us>\d+),[^;]*;"
    r"NVRM: Xid \((?:PCI:)?(?P<bus>[0-9a-fA-F:.]+)\): (?P<number>\d+)(?:, pid='?(?P<pid>\d+)'?)?(?P<rest>.*)"
)
_USER_FACILITY = 8
"""Priorities from here on are of programs that wrote into the log."""


class KernelXid(msgspec.Struct, frozen=True, kw_only=True):
    """`bus` is as the kernel wrote it, mostly without the function: `0000:1b:00`."""

    record: int
    """Its number in the log, which only grows until the next boot."""
    at_us: int
    """Since the boot."""
    bus: str
    number: int
    pid: int | None = None
    text: str = ""


def xids(text: str) -> Iterator[KernelXid]:
    """Those in some records of the log."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found and int(found["priority"]) < _USER_FACILITY:
            pid = int(found["pid"]) if found["pid"] else None
            yield KernelXid(
                record=int(found["record"]),
                at_us=int(found["us"]),
                bus=found["bus"].lower(),
                number=int(found["number"]),
                pid=pid,
                text=found["rest"].strip(" ,"),
            )


def same_bus(kernels: str, ours: str) -> bool:
    """Whether both name one GPU; ours is as sysfs writes it, with the function."""
    return bool(kernels) and ours.startswith(kernels.removesuffix(".0"))


def booted_unix_s() -> float:
    """When the clock of the log began; it stands still while the machine sleeps."""
    return time.time() - time.monotonic()


async def follow(tell: Callable[[KernelXid], None], path: Path = KMSG) -> None:
    """All that is in the log, then what comes, until cancelled. Raises OSError where it is not to be read."""
    log = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    grown = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(log, grown.set)
        while True:
            await grown.wait()
            grown.clear()
            for record in _records(log):
                for xid in xids(record):
                    tell(xid)
    finally:
        loop.remove_reader(log)
        os.close(log)


def _records(log: int) -> Iterator[str]:
    """What can be read without waiting. A record that was overwritten before it was read is passed over."""
    while True:
        try:
            data = os.read(log, _RECORD_BYTES)
        except BrokenPipeError:
            continue
        except BlockingIOError:
            return
        if not data:
            return
        yield data.decode("utf-8", "replace")
