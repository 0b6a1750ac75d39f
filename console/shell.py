"""A shell on a node by the user's own ssh, and the note of it that the agent keeps.

words ──► run (the terminal is the program's, and afterwards as it was) ──► Ended ──► note, once the node answers
"""

import asyncio
import os
import secrets
import signal
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from agents.wire import NoteShell, ShellNoted
from console.inventory import Node
from console.operations import Requests
from console.remote.errors import NodeUnreachable

NOTE_LIMIT_S = 60.0
AGAIN_S = 1.0
SSH_FAILED = 255
"""How ssh says that it could not connect, or was cut off."""
MISSING = 127
"""What a shell says of a program that is not there."""
_OURS = (signal.SIGINT, signal.SIGQUIT)
"""What the terminal sends to everybody in front of it, and is not meant for us meanwhile."""


class Ended(msgspec.Struct, frozen=True):
    """Times of a clock that only goes forward. `problem` says why nothing was run."""

    status: int
    began_s: float
    ended_s: float
    problem: str = ""


def words(node: Node, command: Sequence[str] = ()) -> list[str]:
    """The command line that goes to `node`; what the inventory leaves out, the user's ssh config says."""
    if node.local:
        program = os.environ.get("SHELL") or "/bin/sh"
        return [program, "-c", " ".join(command)] if command else [program]
    found = ["ssh"]
    if node.port is not None:
        found += ["-p", str(node.port)]
    if node.user:
        found += ["-l", node.user]
    if node.identity_file:
        found += ["-i", str(Path(node.identity_file).expanduser()), "-o", "IdentitiesOnly=yes"]
    if node.known_hosts:
        # Beside the user's own: ssh reads these too, and stores new keys elsewhere.
        known = Path(node.known_hosts).expanduser()
        found += ["-o", f'GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts "{known}"']
    return [*found, "--", node.address, *command]


async def run(command: Sequence[str]) -> Ended:
    """Cancelled, it ends the program first."""
    began_s = time.monotonic()
    with _kept_terminal():
        try:
            process = await asyncio.create_subprocess_exec(*command)
        except OSError as error:
            return Ended(MISSING, began_s, began_s, f"{command[0]} cannot be run: {error.strerror}")
        try:
            status = await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
    return Ended(status if status >= 0 else 128 - status, began_s, time.monotonic())


async def be_read() -> None:
    """Until somebody at the terminal pressed enter: what ssh said last would be gone with the screen."""
    print("\ngpuyard: ssh failed; enter goes back to the console ", end="", flush=True)
    loop, pressed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(0, pressed.set)
    try:
        await pressed.wait()
        termios.tcflush(0, termios.TCIFLUSH)
    finally:
        loop.remove_reader(0)


async def note(fleet: Requests, node: str, ended: Ended, limit_s: float = NOTE_LIMIT_S) -> None:
    """Tell the agent, as soon as it answers. Raises RequestFailed, or its child NodeUnreachable at the limit."""
    key = secrets.token_hex(16)
    deadline_s = time.monotonic() + limit_s
    while True:
        now_s = time.monotonic()
        ask = NoteShell(
            began_ago_s=now_s - ended.began_s, ended_ago_s=now_s - ended.ended_s, status=ended.status, key=key
        )
        try:
            await fleet.request(node, ask, ShellNoted)
        except NodeUnreachable:
            if now_s >= deadline_s:
                raise
            await asyncio.sleep(AGAIN_S)
        else:
            return


@contextmanager
def _kept_terminal() -> Iterator[None]:
    """Its settings, its foreground and our signals are afterwards what they were: a killed ssh leaves it raw."""
    before = {number: signal.signal(number, lambda *_: None) for number in _OURS}
    terminal = next((number for number in (0, 1, 2) if os.isatty(number)), None)
    settings = termios.tcgetattr(terminal) if terminal is not None else None
    try:
        yield
    finally:
        if terminal is not None and settings is not None:
            _take_back(terminal, settings)
        for number, handler in before.items():
            signal.signal(number, handler)


def _take_back(terminal: int, settings: list[int | list[bytes | int]]) -> None:
    """A terminal that is gone needs nothing."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # who is not in front may not speak to it otherwise
    try:
        with suppress(OSError, termios.error):
            os.tcsetpgrp(terminal, os.getpgrp())
            termios.tcsetattr(terminal, termios.TCSADRAIN, settings)
    finally:
        signal.signal(signal.SIGTTOU, before)
