"""Keeps one instance as its desired document wants it.

Level-triggered: `step` looks at what is wanted and what is there, takes one step, and says when to look again.
It is never told what happened, so a missed or doubled wake-up cannot lead it astray.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec

from agents.errors import AgentError
from agents.instance import Life, move
from agents.preparation import CannotStart
from agents.process import AlreadyLocked, CannotExecute, Exit
from agents.runner import Context, Runner
from profiles.model import DesiredInstance, InstanceSpec, Wanted
from profiles.status import EngineReading, EventKind, InstanceStatus, Phase, Reason

WATCH_S = 0.5
LOST = Reason("lost", "the engine is gone and left no record of its end", "see its log and the kernel's (`dmesg`)")


class Neighbours(msgspec.Struct, frozen=True):
    """What an instance must know of the others on its node."""

    starting: Callable[[str, InstanceSpec], str | None]
    """Who else is starting on one of the spec's GPUs."""
    ports: Callable[[str], list[int]]
    """The ports of all others."""


class Keeper:
    """`owned` None means that the instance left the document and has to go."""

    def __init__(self, context: Context, name: str, owned: DesiredInstance | None, neighbours: Neighbours) -> None:
        self.name = name
        self.owned = owned
        self.runner = Runner(context, name, self.wake)
        self.life = Life(phase=Phase.PENDING, since_unix_s=context.wall(), reason=Reason("new", "not looked at yet"))
        self.reading: EngineReading | None = None
        self._context = context
        self._neighbours = neighbours
        self._woken = asyncio.Event()
        self._exits: tuple[float, ...] = ()
        self._due_s = 0.0
        self._load_began_s = 0.0
        self._tried: tuple[object, ...] | None = None
        """The launch key of the newest attempt: a failure stands until this changes."""

    def want(self, owned: DesiredInstance | None) -> None:
        self.owned = owned
        self.publish()
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until the instance has left the document and is gone. Cancelled, it leaves the engine alone."""
        try:
            await self._adopt()
            while not self._gone():
                self._woken.clear()
                pause_s = await self._guarded_step()
                if pause_s == 0.0:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._woken.wait()
            self.runner.remove()
            self._context.board.drop_instance(self.name)
        finally:
            self.runner.close()

    def publish(self) -> None:
        """Put what is known on the board."""
        if status := shown(self):
            self._context.board.set_instance(status)

    async def _adopt(self) -> None:
        ended = await self.runner.adopt()
        started = self.runner.started
        if started is None:
            return
        if self.runner.process:
            self._tried = started.owned.spec.launch_key()
            self._load_began_s = time.monotonic()
            phase = Phase.READY if await self.runner.answers() else Phase.LOADING
            self._move(phase, Reason("adopted", "was found running when the agent started"))
        elif ended and self.owned and self.owned.spec.wanted is Wanted.RUNNING:
            self._tried = started.owned.spec.launch_key()
            await self._ended(ended.record)

    def _gone(self) -> bool:
        return self.owned is None and self.runner.process is None and self.life.phase is not Phase.FAILED

    async def _guarded_step(self) -> float | None:
        try:
            return await self._step()
        except (OSError, AgentError) as error:
            hint = "check the disk and the limits of the node, then restart the instance"
            self._move(Phase.FAILED, Reason("node_error", str(error), hint))
            self._tried = self.owned.spec.launch_key() if self.owned else None
            return None if self.runner.process is None else 5.0

    async def _step(self) -> float | None:
        """Seconds until the next look; None waits for a wake-up."""
        living = self.runner.process
        if living and living.exited.is_set():
            await self._ended(await self.runner.ended())
            return 0.0
        if self.owned is None or self.owned.spec.wanted is Wanted.STOPPED:
            if living:
                return await self._stop(Phase.STOPPED, Reason("asked", "stopped as asked"))
            self._exits = ()
            self._move(Phase.STOPPED, Reason("asked", "stopped as asked"))
            return 0.0 if self.owned is None else None
        spec = self.owned.spec
        if living is None:
            return await self._bring_up(spec)
        started = self.runner.started
        if started and started.owned.spec.launch_key() != spec.launch_key():
            return await self._stop(Phase.PENDING, Reason("edited", "is restarted with its new settings"))
        return await self._watch()

    async def _bring_up(self, spec: InstanceSpec) -> float | None:
        if self._tried != spec.launch_key():
            self._exits, self._due_s = (), 0.0
        elif self.life.phase is Phase.FAILED:
            return None
        elif (left_s := self._due_s - time.monotonic()) > 0:
            return left_s
        if other := self._neighbours.starting(self.name, spec):
            self._move(Phase.PENDING, Reason("waiting_for_gpu", f"{other} is starting on the same GPU"))
            return WATCH_S
        await self._start(spec)
        return 0.0

    async def _start(self, spec: InstanceSpec) -> None:
        assert self.owned is not None
        before = self.runner.started
        again = bool(self._exits) and before is not None
        self._tried = spec.launch_key()
        self.reading = None
        self._move(Phase.STARTING, Reason("restart" if again else "asked", "restarts" if again else "starts as asked"))
        restarts = before.restarts + 1 if again and before else 0
        try:
            await self.runner.start(self.owned, taken=self._neighbours.ports(self.name), restarts=restarts)
        except CannotStart as error:
            self._move(Phase.FAILED, error.reason)
        except CannotExecute as error:
            self._move(Phase.FAILED, Reason("cannot_execute", error.message, error.hint))
        except AlreadyLocked as error:
            self._move(Phase.FAILED, Reason("lock_held", error.message, error.hint))
        else:
            self._load_began_s = time.monotonic()
            if self.runner.process is None:
                await self._ended(await self.runner.ended())
            else:
                self._move(Phase.LOADING, Reason("loading", "the engine loads its model"))

    async def _watch(self) -> float | None:
        """While it loads: progress, readiness, deadline. A ready engine is left to its exit and the sampler."""
        if self.life.phase in (Phase.READY, Phase.FAILED):
            return None
        if await self.runner.answers():
            self._move(Phase.READY, Reason("ready", "serves"))
            return None
        probe = self.runner.probe
        if probe and time.monotonic() - self._load_began_s > probe.load_deadline_s:
            late = Reason("load_deadline", f"not ready after {probe.load_deadline_s:.0f} s", "see its log")
            return await self._stop(None, late)
        if (step := self.runner.progress()) and step != self.life.load:
            self.life = msgspec.structs.replace(self.life, load=step)
            self.publish()
        return WATCH_S

    async def _stop(self, then: Phase | None, reason: Reason) -> float | None:
        """End the engine. `then` None counts it as an end of its own, for which the restart policy decides."""
        self._move(Phase.STOPPING, reason)
        survivors = await self.runner.stop()
        record = await self.runner.ended()
        if survivors:
            pids = ", ".join(map(str, survivors))
            hint = "they wait in the kernel, most often for a GPU: see `dmesg`, the node may need a reboot"
            self._move(Phase.FAILED, Reason("survived_kill", f"processes {pids} survived SIGKILL", hint))
            return None
        self._event(EventKind.EXIT, f"stopped: {record.text()}" if record else "stopped", reason.code)
        if then is None:
            self._move_after_end(reason, lost=False)
        else:
            self._move(then, reason)
        return 0.0

    async def _ended(self, record: Exit | None) -> None:
        """The engine ended by itself."""
        words = self.runner.last_words()
        text = f"ended by itself: {record.text()}" if record else LOST.text
        reason = Reason("exited", text + (f": {words}" if words else ""), "see its log") if record else LOST
        self._event(EventKind.EXIT, reason.text, reason.code)
        self._move_after_end(reason, lost=record is None)

    def _move_after_end(self, reason: Reason, *, lost: bool) -> None:
        now_s = time.monotonic()
        policy = self._context.policy
        self._exits = (*policy.recent(self._exits, now_s), now_s)
        delay_s = policy.delay_s(self._exits, now_s, self._context.random)
        if delay_s is None:
            text = f"ended {len(self._exits)} times in {policy.window_s / 60:.0f} min; {reason.text}"
            self._move(Phase.FAILED, Reason("crash_loop", text, "see its log, then edit or restart it"))
            return
        self._due_s = now_s + delay_s
        self._move(Phase.LOST if lost else Phase.BACKOFF, reason)

    def _move(self, phase: Phase, reason: Reason) -> None:
        before = self.life
        self.life = move(before, phase, reason, self._context.wall())
        if phase is not before.phase:
            self._event(EventKind.PHASE, f"{before.phase} → {phase}: {reason.text}", reason.code)
        self.publish()

    def _event(self, kind: EventKind, text: str, code: str) -> None:
        self._context.events.append(kind, text, instance=self.name, code=code)


def shown(keeper: Keeper) -> InstanceStatus | None:
    """The instance for the board: as it runs where it runs, else as it is wanted. None knows of neither."""
    started, living = keeper.runner.started, keeper.runner.process
    owned = keeper.owned or (started.owned if started else None)
    if owned is None:
        return None
    return InstanceStatus(
        name=keeper.name,
        profile=owned.profile,
        revision=owned.revision,
        engine=owned.spec.engine,
        model=owned.spec.model,
        phase=keeper.life.phase,
        since_unix_s=keeper.life.since_unix_s,
        wanted=keeper.owned.spec.wanted if keeper.owned else Wanted.STOPPED,
        reason=keeper.life.reason,
        slices=started.owned.spec.slices if living and started else owned.spec.slices,
        port=started.port if started else owned.spec.port,
        pid=living.handle.pid if living else None,
        restarts=started.restarts if started else 0,
        load=keeper.life.load,
        reading=keeper.reading if keeper.life.phase is Phase.READY else None,
    )
