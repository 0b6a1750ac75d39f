"""Keeps one instance as its desired document wants it.

Level-triggered: `_step` looks at what is wanted and what is there, takes one step, and says what came of it
(agents.instances.outcome). It is never told what happened, so a missed or doubled wake-up cannot lead it astray.

    wanted     no process                     process
    running    bring up (turn, start)         load ─► attend; with other settings: end ─► bring up
    drained    the same                       the same, and held empty
    sleeping   the same                       the same, drained, and put to sleep
    stopped    stopped                        end (drain, stop)
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from agents.errors import AgentError
from agents.fractions.mechanism import CannotGrant
from agents.instances.accounting import account
from agents.instances.attempts import Attempts
from agents.instances.context import Context
from agents.instances.draining import limit_s
from agents.instances.ending import Ending
from agents.instances.granted import Confinement
from agents.instances.loads import Load, Loading
from agents.instances.outcome import Again, Backoff, Done, GivenUp, Outcome
from agents.instances.preparation import CannotStart
from agents.instances.reasons import LOST, adopted, load_deadline, stopped
from agents.instances.runner import Runner
from agents.instances.serving import Serving
from agents.instances.standing import Standing
from agents.instances.steering import Steering
from agents.processes.spawn import AlreadyLocked, CannotExecute
from engines.base import EngineSample
from profiles.desired.model import DesiredInstance, Wanted
from profiles.observed.status import Phase, Reason

WATCH_S = 0.5
TROUBLE_S = 5.0
WAITED_FOR = ("not_released", "survived_kill")
"""Why an instance is failed that may be over at any moment, by itself."""

logger = logging.getLogger(__name__)


class Keeper:
    """`owned` None means that the instance left the document and has to go. `ports` are those of all others."""

    def __init__(
        self, context: Context, name: str, owned: DesiredInstance | None, ports: Callable[[str], list[int]]
    ) -> None:
        self.name = name
        self.runner = Runner(context, name, self.wake)
        self.standing = Standing(context, self.runner, name, owned)
        self._context = context
        self._ports = ports
        self._woken = asyncio.Event()
        self._attempts = Attempts(context.layout.instance(name).crashes, context.policy, context.random)
        self._ending = Ending(context, self.runner, self.standing, self._attempts)
        self._steering = Steering(context, self.runner, name)
        self._loading: Loading | None = None
        self._serving: Serving | None = None
        self.found = False
        """Whether it is known what an earlier agent left; nothing is started or removed before."""

    @property
    def owned(self) -> DesiredInstance | None:
        return self.standing.owned

    def want(self, owned: DesiredInstance | None) -> None:
        self.standing.owned = owned
        if limit_s(owned) == 0:
            self._ending.hurry()
        self._context.doors.knocked.set()
        self.standing.publish()
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def scraped(self, sample: EngineSample) -> None:
        if self._serving:
            self._serving.scraped(sample)

    async def run(self) -> None:
        """Until the instance has left the document and is gone. Cancelled, it leaves the engine alone."""
        try:
            while not self._gone():
                self._woken.clear()
                pause_s = self._take(await self._guarded_step())
                await self._account()
                if pause_s == 0.0:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._woken.wait()
            self.runner.remove()
            self._context.board.drop_instance(self.name)
        finally:
            self._context.admission.loaded(self.name)
            self._leave()
            self.runner.close()

    async def _adopt(self) -> None:
        ended = await self.runner.adopt()
        started, dialogue = self.runner.started, self.runner.dialogue
        if started is None:
            return
        if process := self.runner.process:
            if started.ready or (dialogue and await dialogue.answers()):
                if self._steering.awake:
                    self._serve(adopted())
                return
            self._context.admission.loads(self.name, started.owned.spec.slices)
            self._loading = Loading(time.monotonic() - process.handle.age_s(), self._recall(started.owned))
            self.standing.move(Phase.LOADING, adopted())
        elif ended and ended.asked:
            self._ending.tell(ended, "asked")
        elif ended and self.owned and self.owned.spec.wanted is not Wanted.STOPPED:
            self._take(self._ending.by_itself(None, ended))
        elif self.owned and (reason := self._attempts.gave_up(self.owned.spec)):
            self.standing.move(Phase.FAILED, reason)

    def _gone(self) -> bool:
        left = self.runner.process or self.runner.survivors
        return self.found and self.owned is None and not left and self.standing.phase is not Phase.FAILED

    async def _guarded_step(self) -> Outcome:
        try:
            return await self._step()
        except (OSError, AgentError) as error:
            reason = Reason("node_error", str(error), "check the disk and the limits of the node")
            logger.error("%s: %s", self.name, reason.text)
            if self.runner.process or self.standing.phase in (Phase.STOPPED, Phase.PENDING):
                self.standing.move(self.standing.phase, reason)  # an engine does not fail by its agent's trouble
                return Again(TROUBLE_S)
            return Backoff(TROUBLE_S, reason)

    def _take(self, outcome: Outcome) -> float | None:
        """Enter the phase that a failure leads to. Seconds until the next look; None waits for a wake-up."""
        match outcome:
            case Again(after_s):
                return after_s
            case Backoff(after_s, reason):
                self._attempts.pause(after_s)
                self.standing.move(Phase.LOST if reason == LOST else Phase.BACKOFF, reason)
                return after_s
            case GivenUp(reason):
                self.standing.move(Phase.FAILED, reason)
                return TROUBLE_S if reason.code in WAITED_FOR else None
        return None

    async def _step(self) -> Outcome:
        if not self.found:
            await self._adopt()
            self.found = True
        if self.runner.survivors:
            return self._ending.unkilled()
        living = self.runner.process
        if living and living.exited.is_set():
            return self._ending.by_itself(self._serving, await self.runner.ended())
        if self.owned is None or self.owned.spec.wanted is Wanted.STOPPED:
            if living:
                return await self._ending.end(self._serving, Phase.STOPPED, stopped(self.owned))
            return self._ending.rest() or (Again() if self.owned is None else Done())
        if living is None:
            return await self._bring_up(self.owned)
        started = self.runner.started
        if started and (held := self._context.holds.against_stay(started.owned.spec.slices)):
            return await self._ending.end(self._serving, Phase.PENDING, held)
        if started and started.owned.spec.launch_key() != self.owned.spec.launch_key():
            return await self._ending.end(
                self._serving, Phase.PENDING, Reason("edited", "is restarted with its new settings")
            )
        if not self._steering.awake:
            return await self._rest(self.owned)
        return await (self._attend(self._serving, self.owned) if self._serving else self._load(self.owned))

    async def _bring_up(self, owned: DesiredInstance) -> Outcome:
        if waits := self._attempts.waits(owned.spec, failed=self.standing.phase is Phase.FAILED):
            return waits
        if held := self._context.holds.against_start(owned.spec.slices):
            self._context.admission.loaded(self.name)
            self.standing.move(Phase.PENDING, held)
            return Again(WATCH_S)
        if waits_for := self._context.admission.ask(self.name, owned.spec):
            self.standing.move(Phase.PENDING, waits_for)
            return Again(WATCH_S * (1 + self._context.random()))
        return await self._start(owned)

    async def _start(self, owned: DesiredInstance) -> Outcome:
        spec, before = owned.spec, self.runner.started
        again = self._attempts.begin(spec)
        self.standing.reading = self.standing.gateway = None
        self.standing.move(
            Phase.STARTING, Reason("restart" if again else "asked", "restarts" if again else "starts as asked")
        )
        restarts = before.restarts + 1 if again and before else 0
        try:
            await self.runner.start(owned, taken=self._ports(self.name), restarts=restarts)
        except CannotStart as error:
            return GivenUp(error.reason)
        except CannotGrant as error:
            return Backoff(TROUBLE_S, error.reason) if error.again else GivenUp(error.reason)
        except CannotExecute as error:
            return GivenUp(Reason("cannot_execute", error.message, error.hint))
        except AlreadyLocked as error:
            self.standing.move(Phase.LOADING, adopted())
            await self._adopt()
            return Again() if self.runner.process else GivenUp(Reason("lock_held", error.message, error.hint))
        if self.runner.process is None:
            return self._ending.by_itself(self._serving, await self.runner.ended())
        self._loading = Loading(time.monotonic(), self._recall(owned))
        self.standing.move(Phase.LOADING, Reason("loading", "the engine loads its model"))
        return Again()

    async def _load(self, owned: DesiredInstance) -> Outcome:
        """Progress, readiness, deadline."""
        dialogue, loading = self.runner.dialogue, self._loading
        if dialogue is None or loading is None or self.standing.phase is Phase.FAILED:
            return Done()
        ready, now_s = await dialogue.answers(), time.monotonic()
        if ready:
            self._context.loads.remember(owned.spec, self._context.board.status().gpus, loading.taken(now_s))
            measured = await self._context.measurements.take(dialogue, owned.spec, self._context.board.status().gpus)
            if self.runner.started:
                self.runner.note(replace(self.runner.started, ready=True, measured=measured))
            self._serve(Reason("ready", "serves"))
            return Again()
        if now_s - loading.began_s > (deadline_s := dialogue.probe.load_deadline_s):
            return await self._ending.stop(None, None, load_deadline(deadline_s))
        self.standing.progress(loading.look(dialogue.progress(), now_s))
        return Again(WATCH_S)

    def _recall(self, owned: DesiredInstance) -> Load | None:
        return self._context.loads.recall(owned.spec, self._context.board.status().gpus)

    def _serve(self, reason: Reason) -> None:
        started = self.runner.started
        slices = started.owned.spec.slices if started else ()
        last = self._recall(started.owned) if started else None
        self.standing.load_s = last.took_s if last else None
        confinement = Confinement(self._context, self.name, slices, self.wake)
        door = partial(self._context.doors.inside, self.name)
        self._serving = Serving(self.runner.dialogue, self._context.pace, self.wake, confinement, door)
        self.standing.move(Phase.READY, reason)

    async def _attend(self, serving: Serving, owned: DesiredInstance) -> Outcome:
        """A ready engine is left to its exit and its checkup, is held empty, or goes to sleep."""
        if owned.spec.wanted is Wanted.SLEEPING:
            return await self._go_to_sleep(serving, owned)
        if problem := await self._steering.settle(owned.spec):
            self.standing.move(Phase.DEGRADED, problem)
            return Again(TROUBLE_S)
        if owned.spec.wanted is Wanted.DRAINED:
            self.standing.move(Phase.DRAINING, await serving.held())
            return Again(self._context.pace.look_s)
        serving.take_back()
        self.standing.move(serving.verdict.phase, serving.verdict.reason)
        return Done()

    async def _go_to_sleep(self, serving: Serving, owned: DesiredInstance) -> Outcome:
        if left := await serving.drain(limit_s(owned)):
            self.standing.move(Phase.DRAINING, left)
            return Again(self._context.pace.look_s)
        if problem := await self._steering.sleep():
            self.standing.move(Phase.DEGRADED, problem)
            return Again(TROUBLE_S)
        return await self._rest(owned)

    async def _rest(self, owned: DesiredInstance) -> Outcome:
        """It sleeps, as far as that is known: nobody asks it for a token, and nothing is in flight."""
        self._leave()
        sleeps = owned.spec.wanted is Wanted.SLEEPING
        if problem := await (self._steering.sleep() if sleeps else self._steering.wake()):
            self.standing.move(Phase.DEGRADED, problem)
            return Again(TROUBLE_S)
        if sleeps:
            text = self._steering.asleep_text(read=self.standing.phase is Phase.SLEEPING)
            self.standing.move(Phase.SLEEPING, Reason("asleep", text))
            return Again(self._context.pace.look_s)
        self._serve(Reason("woken", "serves again"))
        return Again()

    async def _account(self) -> None:
        if self.runner.process is None:
            self._leave()
        if self.found:
            await account(self._context, self.runner, self.standing, self.name)

    def _leave(self) -> None:
        """It no longer loads or serves."""
        if self._serving:
            self._serving.close()
        self._serving = self._loading = None
