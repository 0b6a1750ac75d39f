"""How an engine ends: asked to, drained before, by the adapter's signals, to the last process; or by itself."""

import asyncio
import math

import msgspec

from agents.instances.attempts import Attempts
from agents.instances.context import Context
from agents.instances.draining import HURRIED_S, limit_s
from agents.instances.outcome import Again, GivenUp, Outcome
from agents.instances.reasons import LOST, ended_by_itself, not_released, stopped, survived_kill, survivors_gone
from agents.instances.runner import Ended, Runner
from agents.instances.serving import Serving
from agents.instances.standing import Standing
from agents.processes import tree
from profiles.observed.status import EventKind, Phase, Reason


class Ending:
    """Of one instance. `serving` is the ready engine, None for one that never was ready."""

    def __init__(self, context: Context, runner: Runner, standing: Standing, attempts: Attempts) -> None:
        self._context = context
        self._runner = runner
        self._standing = standing
        self._attempts = attempts
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Go on to the next step of a stop that is under way."""
        self._hurry.set()

    async def end(self, serving: Serving | None, then: Phase, reason: Reason) -> Outcome:
        """Let running requests finish, then stop."""
        if serving and (left := await serving.drain(limit_s(self._standing.owned))):
            self._standing.move(Phase.DRAINING, left)
            return Again(self._context.pace.look_s)
        return await self.stop(serving, then, reason)

    async def stop(self, serving: Serving | None, then: Phase | None, reason: Reason) -> Outcome:
        """`then` None counts it as an end of its own, for which the restart policy decides."""
        if serving and serving.cut_off:
            reason = msgspec.structs.replace(reason, text=f"{reason.text}; cut off: {serving.cut_off}")
        self._standing.move(Phase.STOPPING, reason)
        step_limit_s = HURRIED_S if limit_s(self._standing.owned) == 0 else math.inf
        await self._runner.stop(self._hurry, step_limit_s)
        ended = await self._runner.ended()
        if self._runner.survivors:
            return self.unkilled()
        self.tell(ended, reason.code)
        if then is None:
            return self._judge(serving, reason, ended, reason.text)
        held = await self._runner.released()
        if held and then is Phase.STOPPED:
            return GivenUp(not_released(held))
        self._standing.move(then, reason)
        return Again()

    def unkilled(self) -> Outcome:
        """What survived SIGKILL holds the instance, which starts nothing, until it is gone; that is told."""
        before = self._runner.survivors
        self._runner.survivors = tuple(filter(tree.lives, before))
        if left := self._runner.survivors:
            return GivenUp(survived_kill([one.pid for one in left]))
        gone = survivors_gone([one.pid for one in before])
        self._standing.tell(EventKind.EXIT, gone.text, gone.code)
        self._runner.forget()
        self._standing.move(Phase.FAILED, gone)
        return Again()

    def tell(self, ended: Ended, code: str) -> None:
        """Of an end that was asked for."""
        self._tell_once(ended, f"stopped: {ended.record.text()}" if ended.record else "stopped", code)

    def rest(self) -> Outcome | None:
        """Nothing runs and nothing shall: stopped, once all is given back. None when it is."""
        if self._standing.life.reason.code == "not_released" and (held := self._runner.held()):
            return GivenUp(not_released(held))
        self._attempts.forget()
        if self._standing.phase is not Phase.STOPPED:
            self._standing.move(Phase.STOPPED, stopped(self._standing.owned))
        return None

    def by_itself(self, serving: Serving | None, ended: Ended) -> Outcome:
        """Nobody asked for it."""
        reason, line, retry = LOST, "", True
        if ended.record:
            started = self._runner.started
            served = serving is not None or (started is not None and started.ready)
            reason, line, retry = ended_by_itself(ended.record.text(), self._runner.last_words(), served=served)
        self._tell_once(ended, reason.text, reason.code)
        return self._judge(serving, reason, ended, line, retry=retry)

    def _tell_once(self, ended: Ended, text: str, code: str) -> None:
        """A daemon that died just after it told of an end leaves it to be found again."""
        if not self._standing.told(EventKind.EXIT, ended.since_unix_s):
            self._standing.tell(EventKind.EXIT, text, code)
        self._runner.forget()

    def _judge(
        self, serving: Serving | None, reason: Reason, ended: Ended, line: str, *, retry: bool = True
    ) -> Outcome:
        if serving and serving.lasted_s() >= self._context.policy.stable_s:
            self._attempts.forget()
        started, owned = self._runner.started, self._standing.owned
        assert started is not None
        spec = started.owned.spec
        if owned and owned.spec.launch_key() == spec.launch_key():
            spec = owned.spec  # its restart rule may be newer
        return self._attempts.ended(spec, reason, ended.lived_s, line, retry=retry)
