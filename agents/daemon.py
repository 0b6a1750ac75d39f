"""The daemon: everything of a node in one loop.

Layout ─► lock ─► EventLog, Board ─► Supervisor ─┐
                                     Sampler ────┼─ one TaskGroup, until SIGTERM or SIGINT
                                     Server ─────┘
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

from agents import kept, state
from agents.access.answers import Answers
from agents.access.audit.log import AuditLog
from agents.access.audit.rooted import recorded
from agents.access.gate import Gate
from agents.access.leases import Leases
from agents.access.roles import Roles
from agents.board import Board
from agents.disk import Disk
from agents.doctor.examiner import Examiner
from agents.doctor.subject import Subject
from agents.errors import AlreadyRunning, BadState
from agents.events import EventLog
from agents.fractions.changes import Changes, Workshop
from agents.fractions.fractions import Fractions
from agents.fractions.holds import Holds
from agents.fractions.journal import Journal
from agents.fractions.layouts import Layouts
from agents.fractions.mig import Mig
from agents.fractions.mps import Mps
from agents.fractions.timeslices import Timeslices
from agents.gpus.surveyor import Surveyor
from agents.instances.claims import Claimed, Claims
from agents.instances.supervisor import Supervisor
from agents.layout import Layout
from agents.mounts import network_type
from agents.past.history import History
from agents.privilege.child import RootChild
from agents.processes.isolation.choice import choose
from agents.processes.logspace import LogSpace
from agents.processes.survey import Survey
from agents.processes.terminating import Terminator
from agents.runtimes.maker import Maker
from agents.runtimes.runtimes import Runtimes
from agents.sampling.gpuhealth import GpuHealthWatch
from agents.sampling.gpuwatch import GpuWatch
from agents.sampling.sampler import Sampler
from agents.sampling.xidlog import XidLog
from agents.server.listener import listen
from agents.server.node import Node
from agents.server.server import Server
from agents.trials.canaries import Canaries
from agents.trials.completion import Target
from agents.trials.trials import Trials
from engines.devices import ShareMode
from profiles.status import EventKind, GpuSource, GpuSourceKind, HostReading, Reason

FIRST_READ_S = 0.5
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

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
    agent_version = version("gpuyard")
    tier = choose(layout.state)
    board = Board(
        hostname=socket.gethostname(),
        agent_version=agent_version,
        boot_id=BOOT_ID.read_text().strip(),
        host=HostReading(cores=os.cpu_count() or 1, memory_total_mib=_memory_total_mib()),
        gpu_source=GpuSource(GpuSourceKind.NONE, "the GPUs have not been read yet"),
        isolation=tier.isolation,
    )
    with listen(layout.socket, roles.group) as door:
        events = EventLog(layout.events)
        claims = Claims(layout.state, str(simulated.resolve()) if simulated else "")

        def claimed() -> Claimed:
            found = claims.look()
            board.set_trouble("claims", claims.problem)
            return found

        gate = _gate(layout, board, events, agent_version)
        privileged = RootChild(recorded(gate.audit))
        surveyor, holds = Surveyor(privileged), Holds()
        mps = Mps(layout, tier, board, events, privileged if simulated is None else None)
        mig = Mig(surveyor, lambda: board.status().gpus)
        fractions = Fractions({ShareMode.MPS: mps, ShareMode.MIG: mig})
        runtimes = Runtimes(layout.settings, layout.runtimes, partial(board.set_trouble, "settings"))
        supervisor = Supervisor(
            layout, board, events, simulated=simulated, tier=tier, claims=claims, fractions=fractions, holds=holds,
            runtimes=runtimes,
        )  # fmt: skip

        def living() -> dict[str, int]:
            return supervisor.living() | mps.living()

        history = History(layout.history, board, events)
        xids = XidLog(layout.xids, events)
        timeslices, health = Timeslices(layout, board, privileged), GpuHealthWatch(xids, events)
        sampler = Sampler(
            board,
            supervisor,
            state=layout.state,
            simulated=simulated,
            scraped=history.scraped,
            claimed=claimed,
            judged=lambda frame: timeslices.told(health.look(frame)),
            gpus_read=GpuWatch(events).look,
        )
        shop = Workshop(
            board=board, events=events, surveyor=surveyor, privileged=privileged, tenants=supervisor.tenants,
            holds=holds, release=sampler.release_gpus, boot_id=board.status().boot_id,
        )  # fmt: skip
        changes = Changes(Journal(layout.fractions, events, time.time), shop)
        survey = Survey(layout.state, board, living, supervisor.redactor)
        maker = Maker(runtimes, partial(_runtime_made, events))
        trials = Trials(layout.trials, partial(_target, supervisor), lambda: board.desired.generation, time.time)
        canaries = Canaries(partial(_target, supervisor), supervisor.wants_canaries, supervisor.set_canary)
        node = Node(
            board=board,
            events=events,
            control=supervisor,
            revisions=supervisor.revisions,
            history=history,
            version=agent_version,
            socket=str(layout.socket),
            roles=roles,
            gate=gate,
            survey=survey,
            terminator=Terminator(survey, events, privileged),
            examiner=Examiner(subject),
            trials=trials,
            layouts=Layouts(changes, shop),
            timeslices=timeslices,
            runtimes=runtimes,
            maker=maker,
        )
        events.append(EventKind.AGENT, f"gpuyard-agent {agent_version} started", code="agent_started")
        if roles.problem:
            events.append(EventKind.AGENT, roles.problem, code="roles_refused")
        async with asyncio.TaskGroup() as group:
            disk = Disk(layout.state, board, (supervisor.document, supervisor.revisions, events, gate.audit))
            logs = LogSpace(layout.state, supervisor.written)
            serving = once_read(Server(door, node).run, sampler.has_read)
            parts = (supervisor, changes, sampler, history, disk, logs, trials, canaries, timeslices, maker)
            tasks = [group.create_task(one) for one in (serving, *(part.run() for part in parts), kept.watch(board))]
            if simulated is None:  # else it is a trial, whose GPUs the kernel knows nothing of
                tasks.append(group.create_task(xids.follow_kernel()))
            logger.info("serving %s, state in %s", layout.socket, layout.state)
            await stop.wait()
            for task in tasks:
                task.cancel()
        events.append(EventKind.AGENT, "gpuyard-agent stopped; engines live on", code="agent_stopped")
    logger.info("stopped; engines live on")


def _runtime_made(events: EventLog, name: str, author: str) -> None:
    events.append(EventKind.AGENT, f"runtime {name} was made", author=author, code="runtime_made")


def _target(supervisor: Supervisor, instance: str) -> Target | None:
    dialogue = supervisor.serving(instance)
    if dialogue is None:
        return None
    key = dialogue.key.value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Target(port=dialogue.port, model=dialogue.described.launch.served_name, headers=headers)


async def once_read(
    serve: Callable[[], Awaitable[None]], has_read: asyncio.Event, limit_s: float = FIRST_READ_S
) -> None:
    """Whoever made this daemon begin should not be told that there are no GPUs; meanwhile connections wait."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await has_read.wait()
    await serve()


def _gate(layout: Layout, board: Board, events: EventLog, agent_version: str) -> Gate:
    """Raises BadState, OSError."""
    audit = AuditLog(layout.audit, agent_version=agent_version)

    def show() -> None:
        board.set_trouble(
            "audit", Reason("audit", f"{audit.problem}: changes are refused", audit.hint) if audit.problem else None
        )

    audit.watch(show)
    return Gate(audit, Leases(layout.lease, events), Answers(layout.answers))


def _memory_total_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
