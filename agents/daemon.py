"""The daemon: everything of a node in one loop.

Layout ─► lock ─► socket ─► agents.assembly ─► one TaskGroup, until SIGTERM or SIGINT
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from agents import state
from agents.access.roles import Roles
from agents.assembly import assemble
from agents.doctor.subject import Subject
from agents.errors import AlreadyRunning, BadState
from agents.layout import Layout
from agents.mounts import network_type
from agents.server.listener import listen
from agents.server.server import Server
from profiles.observed.status import EventKind

FIRST_READ_S = 0.5

logger = logging.getLogger(__name__)


def serve(layout: Layout, simulated: Path | None, roles: Path | None = None) -> None:
    """`roles` is the file that says who may do what; without one, its own user may do everything, others nothing.

    Until SIGTERM or SIGINT; engines live on. Raises AgentError.
    """
    try:
        layout.make()
        _check_local(layout)
        with hold(layout):
            state.check(layout.versioned())
            asyncio.run(_run(layout, simulated, Subject(layout, roles)))
    except OSError as error:
        raise BadState(f"the state directory {layout.state} cannot be used: {error}", "give another --state") from error


def _check_local(layout: Layout) -> None:
    """Raises BadState, OSError."""
    if kind := network_type(layout.state):
        text = (
            f"the state directory {layout.state} is on a network file system ({kind}), whose locks cannot be relied on"
        )
        raise BadState(text, "give a --state on a disk of this node")


@contextlib.contextmanager
def hold(layout: Layout) -> Iterator[None]:
    """The state directory is ours alone. Raises AlreadyRunning, OSError."""
    with layout.lock.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(
                f"a daemon (pid {holder}) already serves {layout.state}", "use `gpuyard-agent attach`, or stop it first"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


async def _run(layout: Layout, simulated: Path | None, subject: Subject) -> None:
    roles = Roles(subject.roles_file)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with listen(layout.socket, roles.group) as door:
        parts = assemble(layout, simulated, subject, roles)
        node, events = parts.node, parts.node.events
        events.append(EventKind.AGENT, f"gpuyard-agent {node.version} started", code="agent_started")
        if roles.problem:
            events.append(EventKind.AGENT, roles.problem, code="roles_refused")
        async with asyncio.TaskGroup() as group:
            serving = once_read(Server(door, node).run, parts.gpus_read)
            tasks = [group.create_task(one) for one in (serving, *parts.run())]
            logger.info("serving %s, state in %s", layout.socket, layout.state)
            await stop.wait()
            for task in tasks:
                task.cancel()
        events.append(EventKind.AGENT, "gpuyard-agent stopped; engines live on", code="agent_stopped")
    logger.info("stopped; engines live on")


async def once_read(
    serve: Callable[[], Awaitable[None]], has_read: asyncio.Event, limit_s: float = FIRST_READ_S
) -> None:
    """Whoever made this daemon begin should not be told that there are no GPUs; meanwhile connections wait."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await has_read.wait()
    await serve()
