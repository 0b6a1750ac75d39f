"""Children that die with the process that started them, however it ends."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def python(module: str, *arguments: object) -> list[str]:
    """The command line of one of our modules; -P keeps a namesake in the working directory out."""
    return [sys.executable, "-P", "-m", module, *(str(argument) for argument in arguments)]


async def spawn(argv: list[str], log: Path, env: Mapping[str, str] = os.environ) -> asyncio.subprocess.Process:
    """Start `argv` in a session of its own, its talk appended to `log`."""
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )  # fmt: skip


def die_with(parent: int) -> Callable[[], None]:
    """To be run in a new child: the kernel kills it when `parent`'s main thread is gone (prctl(2))."""

    def arrange() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before we asked
            os._exit(1)

    return arrange


async def end(process: asyncio.subprocess.Process, limit_s: float = 2.0) -> None:
    """SIGTERM, and SIGKILL after `limit_s`."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(limit_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
