"""One instance's process and the files that tell about it: adopt, start, ask, stop. Decides nothing."""

import asyncio
import contextlib
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from agents import state
from agents.failpoints import reach
from agents.instances import preparation, purpose
from agents.instances.context import Context
from agents.instances.dialogue import Dialogue
from agents.instances.granted import Granted
from agents.instances.keys import Key
from agents.instances.logtail import last_lines
from agents.processes import logspace, process, spawn, tree
from agents.processes.logspace import Written
from agents.processes.process import Exit, Handle, Process
from agents.processes.recovery import is_locked, last_taken, recover
from agents.processes.spawn import AlreadyLocked
from agents.runtimes.runtimes import Used
from engines.abilities import SignalStep
from engines.measured import Taken
from profiles.desired.model import DesiredInstance
from profiles.gpu.memory import usage
from profiles.observed.isolation import Isolation, agreement
from profiles.observed.status import EventKind, GpuProcess, GpuReading, GpuState

LOCK_LIMIT_S = 5.0
RELEASE_LIMIT_S = 10.0
LEFT_LIMIT_S = 0.2


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """spec.json: what an incarnation was started with, written before it runs."""

    owned: DesiredInstance
    incarnation: int
    port: int
    restarts: int = 0
    isolation: Isolation | None = None
    used: Used | None = None
    """The runtime that it was started from."""
    ready: bool = False
    """It has been ready: from then on it is not loading, however long it does not answer."""
    asleep: bool | None = False
    """None while that is not known: a call is under way, or was when an agent died."""
    measured: Taken | None = None
    """What it said of its memory until it was ready."""


class Ended(msgspec.Struct, frozen=True):
    """The end of an incarnation; `record` None left no word. `lived_s` is as good as the record's wall clock.

    `asked` is whether it was being stopped, by us or by the daemon before.
    """

    record: Exit | None
    lived_s: float = 0.0
    asked: bool = False
    since_unix_s: float = 0.0
    """Whatever is told of it was told after this moment."""


class Runner:
    """`started` is the newest incarnation there ever was; `process` is there while it lives."""

    def __init__(self, context: Context, name: str, changed: Callable[[], None]) -> None:
        self._context = context
        self._changed = changed
        self._paths = context.layout.instance(name)
        self._marker = (name, str(context.layout.state))
        self.started: Started | None = None
        self.process: Process | None = None
        self.dialogue: Dialogue | None = None
        self.granted = Granted(context, name)
        self.survivors: tuple[tree.Stat, ...] = ()
        """What even SIGKILL left of the newest incarnation."""

    async def adopt(self) -> Ended | None:
        """Find what an earlier daemon left. Sets `process` if it lives.

        One that ended since, other than by a reboot, is returned, and what is left of its tree is killed.
        """
        found = state.load(self._paths.spec, Started)
        if not isinstance(found, Started):
            return None
        self.started = found
        self.granted.found(found.owned.spec.slices)
        handle = await self._handle(found.incarnation)
        if handle is None:
            return None
        self.process = process.adopt(handle, self._changed)
        if self.process is not None:
            purpose.forget(self._paths)
            named = {variable: value for variable, value in found.owned.spec.env.items() if not isinstance(value, str)}
            self._context.secrets.remember_engine(handle.pid, {name: one.secret for name, one in named.items()})
            self._describe(found)
            return None
        rebooted = handle.boot_id != tree.boot_id()
        ended = await self.ended()
        if rebooted:
            self.forget()
        return None if rebooted else ended

    async def start(self, owned: DesiredInstance, *, taken: list[int], restarts: int) -> None:
        """Raises preparation.CannotStart, CannotGrant, spawn.AlreadyLocked, spawn.CannotExecute, OSError."""
        before = self.started
        port = preparation.choose_port(owned.spec, before.port if before else None, taken)
        read = ((gpu.uuid, usage(gpu)) for gpu in self._context.board.status().gpus)
        free_mib = {uuid: found.free_mib for uuid, found in read if found}
        preparation.check_bind(owned.spec, self._context.runtimes.bind)
        used = await preparation.runtime_of(self._context.runtimes, owned.spec)
        described = preparation.describe(owned.spec, port, self._paths.directory, free_mib, used)
        incarnation = max(before.incarnation if before else 0, last_taken(self._paths)) + 1
        self._context.secrets.look()
        launch = preparation.prepare(self._context.layout, described, owned.spec, incarnation, self._context.simulated)
        budget = logspace.budget_bytes(self._context.layout.state, len(self._context.board.desired.instances))
        launch = msgspec.structs.replace(launch, log_budget_bytes=budget)
        self._paths.directory.mkdir(mode=0o700, exist_ok=True)
        preparation.write_files(described)
        tier, limits = self._context.tier, owned.spec.limits
        isolation = agreement(limits, tier.isolation)
        started = Started(
            owned=owned, incarnation=incarnation, port=port, restarts=restarts, isolation=isolation, used=used
        )
        state.save(self._paths.spec, started)
        reach("after-spec")
        self.started = started
        logspace.drop_old(self._paths, incarnation)
        env = await self.granted.take(owned.spec.slices)
        launch = msgspec.structs.replace(launch, env=launch.env | env)
        reach("after-grant")
        try:
            handle = await spawn.spawn(self._paths, launch, tier, limits)
        except AlreadyLocked:
            self.started = before  # what lives is of an earlier start: it must be found again by its own record
            if before is not None:
                state.save(self._paths.spec, before)
            raise
        # Gone already: the pidfd of a dead handle cannot be had, and the exit record will say why.
        self.process = process.adopt(handle, self._changed)
        self._describe(started)
        reach("after-adopt")

    async def stop(self, hurry: asyncio.Event, step_limit_s: float = math.inf) -> None:
        """End the engine and all its children, as far as SIGKILL can; `ended` says what is left.

        `hurry` goes on to the next of the adapter's steps, none of which is waited for longer than `step_limit_s`.
        """
        assert self.process is not None
        purpose.note(self._paths, self._incarnation)
        grace_s = self._context.grace_s
        steps = self.dialogue.stop_steps(grace_s) if self.dialogue else (SignalStep("SIGTERM", grace_s),)
        steps = tuple(SignalStep(step.signal, min(step.wait_s, step_limit_s)) for step in steps)
        await process.stop(self.process, self._marker, steps, hurry)
        reach("after-stop")

    def note(self, started: Started) -> None:
        """What became of this incarnation, for the next agent too. Raises OSError."""
        if started != self.started:
            self.started = started
            state.save(self._paths.spec, started)

    async def ended(self) -> Ended:
        """After the main process is gone: kill what it left behind, and read the record of its end.

        Found again by every daemon until it is told, and `forget` is called.
        """
        handle = self.process.handle if self.process else await self._handle(self._incarnation)
        self.close()
        if handle is None:
            return Ended(None)
        self.survivors = tuple(await process.kill_all(handle, self._marker))
        # A shim waits for the last of its children: while some survive, it may never write.
        limit_s = LEFT_LIMIT_S if self.survivors else process.RECORD_LIMIT_S
        record = await process.read_exit(self._paths, handle, limit_s)
        asked = purpose.noted(self._paths, handle.incarnation)
        lived_s = _lived_s(handle, record)
        since_unix_s = record.at_unix_s if record else time.time() - lived_s
        return Ended(record, lived_s, asked, since_unix_s)

    def forget(self) -> None:
        """The end is told of: the next daemon must not find it again. A disk that refuses lets it.

        While something of it lives, the handle stays: by it the next daemon knows what to wait for.
        """
        if self.survivors:
            return
        with contextlib.suppress(OSError):
            self._paths.handle.unlink(missing_ok=True)
        purpose.forget(self._paths)

    def written(self) -> Written | None:
        """The log of the engine that lives."""
        return Written(self.process.handle, self._paths.log(self._incarnation)) if self.process else None

    def last_words(self) -> list[str]:
        return last_lines(self._paths.log(self._incarnation), self._context.secrets.redactor())

    def log_path(self, previous: bool) -> tuple[Path, int] | None:
        incarnation = self._incarnation - 1 if previous else self._incarnation
        path = self._paths.log(incarnation)
        return (path, incarnation) if path.exists() else None

    def remove(self) -> None:
        shutil.rmtree(self._paths.directory, ignore_errors=True)

    def close(self) -> None:
        if self.process:
            self.process.close()
        self.process = self.dialogue = None

    @property
    def _incarnation(self) -> int:
        return self.started.incarnation if self.started else 0

    def _describe(self, started: Started) -> None:
        if self.process is None:
            return
        try:
            described = preparation.describe(started.owned.spec, started.port, used=started.used)
        except preparation.CannotStart:
            return  # an adapter that a newer build dropped: the engine lives on, unread
        key = Key(self._context.layout, described, started.owned.spec, self.process.handle.pid)
        self.dialogue = Dialogue(described, started.port, self.process, self._paths.log(started.incarnation), key)

    async def _handle(self, incarnation: int) -> Handle | None:
        """The handle of this incarnation; one whose shim is at work just now, or died at it, is waited for."""
        deadline = asyncio.get_running_loop().time() + LOCK_LIMIT_S
        while True:
            handle = state.load(self._paths.handle, Handle)
            if isinstance(handle, Handle) and handle.incarnation == incarnation:
                return handle
            if isinstance(handle, state.Damaged) and handle.set_aside:
                self._context.events.append(
                    EventKind.AGENT, handle.problem, instance=self._marker[0], code="state_damaged"
                )
                deadline = 0.0  # it was written once: nobody is at work on it
            if not is_locked(self._paths):
                return None
            if asyncio.get_running_loop().time() > deadline:
                handle = await recover(self._paths, self._marker, self.started.port if self.started else 0)
                return handle if handle and handle.incarnation == incarnation else None
            await asyncio.sleep(0.05)

    async def released(self) -> str:
        """ "" once its port is free and no GPU reading names a process of it; else what is still held.

        Drivers give memory back late, and readings come once a second: it is waited for.
        """
        deadline = asyncio.get_running_loop().time() + RELEASE_LIMIT_S
        while True:
            held = self.held()
            if not held or asyncio.get_running_loop().time() > deadline:
                return held
            await asyncio.sleep(0.2)

    def held(self) -> str:
        """A reading that is old says nothing."""
        held = [f"{one.memory_mib or 0} MiB of GPU {gpu.index} by pid {one.pid}" for gpu, one in self._on_gpus()]
        if self.started and not process.port_is_free(self.started.port):
            held.append(f"port {self.started.port}")
        return ", ".join(held)

    def left_on(self) -> frozenset[str]:
        """The GPUs that an ended engine is not off yet: its own while a process lives, else where it has memory."""
        if self.survivors and self.started:
            return frozenset(self.started.owned.spec.gpus())
        return frozenset(gpu.uuid for gpu, _ in self._on_gpus())

    def _on_gpus(self) -> Iterator[tuple[GpuReading, GpuProcess]]:
        for gpu in self._context.board.status().gpus:
            if gpu.state is GpuState.OK:
                yield from ((gpu, one) for one in gpu.processes if one.instance == self._marker[0])


def _lived_s(handle: Handle, record: Exit | None) -> float:
    ago_s = max(0.0, time.time() - record.at_unix_s) if record else 0.0
    return max(0.0, handle.age_s() - ago_s)
