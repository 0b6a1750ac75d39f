"""The bridge as a child process: how it ends, and that its end never waits for what it left behind."""

import asyncio
import os
import signal
from contextlib import suppress

import psutil
import pytest

from console.remote.local import LocalConnection, LocalStream
from console.remote.stream import Ending

LIMIT_S = 20.0
HEIR = "sleep 300 & echo $!; echo hello >&2; "
"""Starts a child that holds all the pipes, and says its number."""


async def begun(script: str) -> tuple[LocalConnection, LocalStream, int]:
    """A connection with one stream, and the number that it says first."""
    connection = LocalConnection(["sh", "-c", script])
    stream = await connection.open()
    assert isinstance(stream, LocalStream)
    return connection, stream, int(await stream.read())


@pytest.mark.parametrize(
    "script", [HEIR + "wait", HEIR + "exit 3", "trap '' TERM; " + HEIR + "while :; do sleep 300; done"]
)
async def test_a_bridge_goes_when_it_is_closed_whatever_holds_its_pipes(script: str) -> None:
    connection, stream, heir = await begun(script)
    shell = stream._process.get_pid()
    sleepers = {heir}
    try:
        async with asyncio.timeout(LIMIT_S):
            if "while" in script:
                while len(sleepers) < 2:
                    sleepers |= {child.pid for child in psutil.Process(shell).children()}
                    await asyncio.sleep(0.02)
            await connection.close()
        assert not psutil.pid_exists(shell)
    finally:
        for pid in sleepers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def test_the_last_words_do_not_wait_for_who_holds_the_pipe() -> None:
    connection, stream, heir = await begun(HEIR + "exit 3")
    try:
        async with asyncio.timeout(LIMIT_S):
            assert await stream.ending() == Ending(3, "hello\n")
            await connection.close()
    finally:
        os.kill(heir, signal.SIGKILL)
