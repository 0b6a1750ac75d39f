"""What a daemon is made of, and who knows whom. Nothing runs before `Parts.run` is awaited.

EventLog, Board ◄── everybody
Gate ──► RootChild ──► MPS, MIG, turns ──► Supervisor ◄── Sampler, Trials, Canaries
                                               └──► Node ◄── Server
"""

import asyncio
import os
import socket
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from agents import kept
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
from agents.events import EventLog
from agents.fractions.changes import Changes, Workshop
from agents.fractions.fractions import Fractions
from agents.fractions.holds import Holds
from agents.fractions.journal import Journal
from agents.fractions.layouts import Layouts
from agents.fractions.mig import Mig
from agents.fractions.mps import Mps
from agents.fractions.timeslices import Timeslices
from agents.gateways.doors import Doors
from agents.gateways.gateways import Gateways
from agents.gpus.surveyor import Surveyor
from agents.instances.acts import Acts
from agents.instances.claims import Claimed, Claims
from agents.instances.leasing import Leasing
from agents.instances.supervisor import Supervisor
from agents.layout import Layout
from agents.past.applies import Applies
from agents.past.history import History
from agents.privilege.child import RootChild
from agents.processes.isolation.choice import choose
from agents.processes.isolation.tier import Tier
from agents.processes.logspace import LogSpace
from agents.processes.survey import Survey
from agents.processes.terminating import Terminator
from agents.runtimes.maker import Maker
from agents.runtimes.runtimes import Runtimes
from agents.sampling.gpuhealth import GpuHealthWatch
from agents.sampling.gpuwatch import GpuWatch
from agents.sampling.sampler import Sampler
from agents.sampling.xidlog import XidLog
from agents.server.exposing import Exposing
from agents.server.node import Node
from agents.trials.canaries import Canaries
from agents.trials.completion import Target
from agents.trials.trials import Trials
from engines.devices import ShareMode
from profiles.observed.status import EventKind, GpuSource, GpuSourceKind, HostReading, Reason

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Runs(Protocol):
    """A part with a clock of its own: until cancelled."""

    def run(self) -> Coroutine[None, None, None]: ...


@dataclass(frozen=True)
class Parts:
    """`gpus_read` is set once the GPUs were read. `xids` follows the kernel's log, None for a trial's GPUs."""

    node: Node
    clocks: tuple[Runs, ...]
    sampler: Sampler
    xids: XidLog | None

    @property
    def gpus_read(self) -> asyncio.Event:
        return self.sampler.has_read

    def run(self) -> Iterator[Coroutine[None, None, None]]:
        yield from (part.run() for part in self.clocks)
        yield kept.watch(self.node.board)
        if self.xids is not None:
            yield self.xids.follow_kernel()


@dataclass(frozen=True)
class Sharing:
    """How GPUs are divided, and by what right."""

    privileged: RootChild
    surveyor: Surveyor
    holds: Holds
    mps: Mps
    fractions: Fractions


def assemble(layout: Layout, simulated: Path | None, subject: Subject, roles: Roles) -> Parts:
    """Raises BadState, OSError."""
    agent_version = version("gpuyard")
    tier = choose(layout.state)
    board = _board(agent_version, tier)
    events = EventLog(layout.events)
    claims = Claims(layout.state, str(simulated.resolve()) if simulated else "")
    gate = _gate(layout, board, events, agent_version)
    sharing = _sharing(layout, tier, board, events, gate, simulated)
    runtimes = Runtimes(layout.settings, layout.runtimes, partial(board.set_trouble, "settings"))
    board.bind = runtimes.bind
    supervisor = Supervisor(
        layout, board, events, simulated=simulated, tier=tier, claims=claims, fractions=sharing.fractions,
        holds=sharing.holds, runtimes=runtimes, doors=(doors := Doors()),
    )  # fmt: skip
    applies = Applies(
        layout.applies, events, lambda: gate.leases.is_held, partial(board.set_trouble, "apply"), time.time
    )
    history = History(layout.history, board, events)
    xids = XidLog(layout.xids, events)
    timeslices, health = Timeslices(layout, board, sharing.privileged), GpuHealthWatch(xids, events)
    sampler = Sampler(
        board,
        supervisor,
        state=layout.state,
        simulated=simulated,
        scraped=history.scraped,
        claimed=partial(_claimed, claims, board),
        judged=lambda frame: timeslices.told(health.look(frame)),
        gpus_read=GpuWatch(events).look,
    )
    shop = Workshop(
        board=board, events=events, surveyor=sharing.surveyor, privileged=sharing.privileged,
        tenants=supervisor.tenants, holds=sharing.holds, release=sampler.release_gpus,
        boot_id=board.status().boot_id, changed=sampler.look_again_at_gpus,
    )  # fmt: skip
    changes = Changes(Journal(layout.fractions, events, time.time), shop)
    survey = Survey(layout.state, board, lambda: supervisor.living() | sharing.mps.living(), supervisor.redactor)
    users = partial(supervisor.tenants.of_runtime, runtimes)
    maker = Maker(runtimes, partial(_runtime_told, events), users=users)
    trials = Trials(layout.trials, partial(_target, supervisor), lambda: board.desired.generation, time.time)
    leasing = Leasing(lambda: board.desired, events)
    canaries = Canaries(partial(_target, supervisor), supervisor.wants_canaries, supervisor.set_canary)
    gateways = Gateways(supervisor.fronts, doors)
    disk = Disk(layout.state, board, (supervisor.document, supervisor.revisions, events, gate.audit))
    logs = LogSpace(layout.state, supervisor.written)
    node = Node(
        board=board,
        events=events,
        control=supervisor,
        revisions=supervisor.revisions,
        applies=applies,
        history=history,
        version=agent_version,
        socket=str(layout.socket),
        roles=roles,
        gate=gate,
        survey=survey,
        terminator=Terminator(survey, events, sharing.privileged),
        examiner=Examiner(subject),
        trials=trials,
        layouts=Layouts(changes, shop),
        timeslices=timeslices,
        acts=Acts(supervisor.serving, events),
        runtimes=runtimes,
        maker=maker,
        measurements=supervisor.measurements,
    )
    clocks = (
        supervisor, changes, sampler, history, disk, logs, trials, canaries, leasing, timeslices, maker, applies,
        gateways, Exposing(board, lambda: runtimes.metrics),
    )  # fmt: skip
    return Parts(node, clocks, sampler, xids if simulated is None else None)


def _board(agent_version: str, tier: Tier) -> Board:
    return Board(
        hostname=socket.gethostname(),
        agent_version=agent_version,
        boot_id=BOOT_ID.read_text().strip(),
        host=HostReading(cores=os.cpu_count() or 1, memory_total_mib=_memory_total_mib()),
        gpu_source=GpuSource(GpuSourceKind.NONE, "the GPUs have not been read yet"),
        isolation=tier.isolation,
    )


def _sharing(layout: Layout, tier: Tier, board: Board, events: EventLog, gate: Gate, simulated: Path | None) -> Sharing:
    privileged = RootChild(recorded(gate.audit))
    surveyor = Surveyor(privileged)
    mps = Mps(layout, tier, board, events, privileged if simulated is None else None)
    mig = Mig(surveyor, lambda: board.status().gpus)
    return Sharing(privileged, surveyor, Holds(), mps, Fractions({ShareMode.MPS: mps, ShareMode.MIG: mig}))


def _claimed(claims: Claims, board: Board) -> Claimed:
    found = claims.look()
    board.set_trouble("claims", claims.problem)
    return found


def _runtime_told(events: EventLog, what: str, name: str, author: str) -> None:
    events.append(EventKind.AGENT, f"runtime {name} was {what}", author=author, code=f"runtime_{what}")


def _target(supervisor: Supervisor, instance: str) -> Target | None:
    dialogue = supervisor.serving(instance)
    if dialogue is None:
        return None
    key = dialogue.key.value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Target(port=dialogue.port, model=dialogue.described.launch.served_name, headers=headers)


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
