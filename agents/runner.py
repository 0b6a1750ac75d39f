"""One instance's process and the files that tell about it: adopt, start, ask, stop. Decides nothing."""

import asyncio
import fcntl
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents import preparation, probe, process, state, tree
from agents.board import Board
from agents.events import EventLog
from agents.failpoints import reach
from agents.layout import Layout
from agents.logtail import LogTail, telling_line
from agents.preparation import Described
from agents.process import Exit, Handle, Process
from agents.restart import RestartPolicy
from engines.base import LoadProgress, Probe, Progress
from profiles.model import DesiredInstance

LOGS_KEPT = 5
LOCK_LIMIT_S = 5.0
RELEASE_LIMIT_S = 10.0


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What every instance of a node shares."""

    layout: Layout
    board: Board
    events: EventLog
    policy: RestartPolicy = RestartPolicy()
    grace_s: float = 45.0
    simulated: Path | None = None
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """spec.json: what an incarnation was started with, written before it runs."""

    owned: DesiredInstance
    incarnation: int
    port: int
    restarts: int = 0


class Ended(msgspec.Struct, frozen=True):
    """An engine that ended while no daemon ran; `record` None left no word."""

    record: Exit | None


class Runner:
    """`started` is the newest incarnation there ever was; `process` is there while it lives."""

    def __init__(self, context: Context, name: str, changed: Callable[[], None]) -> None:
        self._context = context
        self._changed = changed
        self._paths = context.layout.instance(name)
        self._marker = (name, str(context.layout.state))
        self.started: Started | None = None
        self.process: Process | None = None
        self.described: Described | None = None
        self._log: LogTail | None = None

    async def adopt(self) -> Ended | None:
        """Find what an earlier daemon left. Sets `process` if it lives.

        One that ended since, other than by a reboot, is returned, and what is left of its tree is killed.
        """
        found = state.load(self._paths.spec, Started)
        if not isinstance(found, Started):
            return None
        self.started = found
        handle = await self._handle(found.incarnation)
        if handle is None:
            return None
        self.process = process.adopt(handle, self._changed)
        if self.process is not None:
            self._describe(found)
            return None
        rebooted = handle.boot_id != tree.boot_id()
        record = await self.ended()
        return None if rebooted else Ended(record)

    async def start(self, owned: DesiredInstance, *, taken: list[int], restarts: int) -> None:
        """Raises preparation.CannotStart, process.AlreadyLocked, process.CannotExecute, OSError."""
        before = self.started
        port = preparation.choose_port(owned.spec, before.port if before else None, taken)
        described = preparation.describe(owned.spec, port)
        incarnation = before.incarnation + 1 if before else 1
        launch = preparation.prepare(self._context.layout, described, owned.spec, incarnation, self._context.simulated)
        self._paths.directory.mkdir(mode=0o700, exist_ok=True)
        started = Started(owned=owned, incarnation=incarnation, port=port, restarts=restarts)
        state.save(self._paths.spec, started)
        reach("after-spec")
        self.started = started
        self._paths.log(incarnation - LOGS_KEPT).unlink(missing_ok=True)
        handle = await process.spawn(self._paths, launch)
        self._describe(started)
        # Gone already: the pidfd of a dead handle cannot be had, and the exit record will say why.
        self.process = process.adopt(handle, self._changed)
        reach("after-adopt")

    async def stop(self) -> list[int]:
        """End the engine and all its children; the pids that survived even SIGKILL."""
        assert self.process is not None
        survivors = await process.stop(self.process, self._marker, self._context.grace_s)
        if not survivors:
            await self._released()
        reach("after-stop")
        return survivors

    async def ended(self) -> Exit | None:
        """After the main process is gone: kill what it left behind, and read the record of its end."""
        handle = self.process.handle if self.process else await self._handle(self._incarnation)
        self.close()
        if handle is None:
            return None
        await process.kill_all(handle, self._marker)
        record = await process.read_exit(self._paths, handle)
        self._paths.handle.unlink(missing_ok=True)  # dealt with: the next daemon must not tell of it again
        return record

    async def answers(self) -> bool:
        """Does it serve? Asked once; an exit meanwhile ends the question."""
        if self.process is None or self.probe is None or self.started is None:
            return False
        asked = asyncio.create_task(_ready(self.started.port, self.probe))
        exited = asyncio.create_task(self.process.exited.wait())
        try:
            await asyncio.wait((asked, exited), return_when=asyncio.FIRST_COMPLETED)
            return asked.done() and asked.result()
        finally:
            asked.cancel()
            exited.cancel()

    @property
    def probe(self) -> Probe | None:
        return self.described.engine.ready(self.described.launch) if self.described else None

    def progress(self) -> LoadProgress | None:
        """The newest step in the log since the last call, None without one."""
        if self._log is None or self.described is None or not isinstance(self.described.engine, Progress):
            return None
        steps = [self.described.engine.progress(line) for line in self._log.lines()]
        return next((step for step in reversed(steps) if step), None)

    def last_words(self) -> str:
        return telling_line(self._paths.log(self._incarnation))

    def log_path(self, previous: bool) -> tuple[Path, int] | None:
        incarnation = self._incarnation - 1 if previous else self._incarnation
        path = self._paths.log(incarnation)
        return (path, incarnation) if path.exists() else None

    def remove(self) -> None:
        shutil.rmtree(self._paths.directory, ignore_errors=True)

    def close(self) -> None:
        if self.process:
            self.process.close()
        self.process = None

    @property
    def _incarnation(self) -> int:
        return self.started.incarnation if self.started else 0

    def _describe(self, started: Started) -> None:
        self._log = LogTail(self._paths.log(started.incarnation))
        try:
            self.described = preparation.describe(started.owned.spec, started.port)
        except preparation.CannotStart:
            self.described = None  # an adapter that a newer build dropped: the engine lives on, unread

    async def _handle(self, incarnation: int) -> Handle | None:
        """The handle of this incarnation; one whose shim is at work just now is waited for."""
        deadline = asyncio.get_running_loop().time() + LOCK_LIMIT_S
        while True:
            handle = state.load(self._paths.handle, Handle)
            if isinstance(handle, Handle) and handle.incarnation == incarnation:
                return handle
            if not self._locked() or asyncio.get_running_loop().time() > deadline:
                return None
            await asyncio.sleep(0.05)

    def _locked(self) -> bool:
        try:
            lock = os.open(self._paths.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(lock)

    async def _released(self) -> None:
        """Until no GPU reading names a process of this instance; drivers give memory back late."""
        deadline = asyncio.get_running_loop().time() + RELEASE_LIMIT_S
        while asyncio.get_running_loop().time() < deadline:
            gpus = self._context.board.status().gpus
            if not any(held.instance == self._marker[0] for gpu in gpus for held in gpu.processes):
                return
            await asyncio.sleep(0.2)


async def _ready(port: int, asked: Probe) -> bool:
    try:
        return (await probe.get(port, asked.ready_path, asked.timeout_s)).status == 200
    except probe.ProbeFailed:
        return False
