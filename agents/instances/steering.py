"""Brings a living engine to what is wanted of it by its own calls: sleep, wake, and the options that change live.

    wanted          spec.json says        what is done
    sleeping        awake, not known      sleep ─► asleep
    anything else   asleep, not known     wake ─► awake
                    other live options    one call each, written down after each

It is not known while a call is under way, or had no answer: then an engine that tells is asked first. What failed is
tried again after a while, or as soon as something else is wanted.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from agents.instances.context import Context
from agents.instances.dialogue import Dialogue
from agents.instances.runner import Runner
from engines.base import EngineError
from engines.control import Act, Controlled
from engines.options import options_for
from profiles.desired.model import InstanceSpec
from profiles.observed.status import GpuState, Reason

RETRY_S = 30.0
_ASLEEP = "sleeps; its share stays its own, so that it can wake"
_SEE_LOG = "see its log; it is tried again, `restart` starts it anew"


class _Failed(msgspec.Struct, frozen=True):
    wanted: object
    reason: Reason
    due_s: float


class Steering:
    """Of one instance; every method needs its living engine. What they answer is why it is not as wanted."""

    def __init__(
        self, context: Context, runner: Runner, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._runner = runner
        self._name = name
        self._clock = clock
        self._failed: _Failed | None = None

    @property
    def awake(self) -> bool:
        """Whether it is for certain."""
        started = self._runner.started
        return started is None or started.asleep is False

    async def sleep(self) -> Reason | None:
        return await self._turn(Act.SLEEP, asleep=True)

    async def wake(self) -> Reason | None:
        return await self._turn(Act.WAKE, asleep=False)

    async def settle(self, wanted: InstanceSpec) -> Reason | None:
        """Give an engine that is awake the live options of `wanted`."""
        started, dialogue = self._runner.started, self._runner.dialogue
        if started is None or dialogue is None or started.owned.spec.options == wanted.options:
            return None
        if known := self._known(wanted.options):
            return known
        try:
            return await self._change(dialogue, started.owned.spec.options, wanted.options)
        except EngineError as error:  # options that an older build took
            return self._fails(wanted.options, Reason("not_changed", error.message, error.hint))

    def asleep_text(self, *, read: bool) -> str:
        """With what it still holds where that was `read` since it fell asleep."""
        gpus = [gpu for gpu in self._context.board.status().gpus if gpu.state is GpuState.OK]
        mine = [one.memory_mib or 0 for gpu in gpus for one in gpu.processes if one.instance == self._name]
        return f"{_ASLEEP}; it holds {sum(mine) / 1024:.1f} GiB of GPU memory now" if gpus and read else _ASLEEP

    async def _turn(self, act: Act, *, asleep: bool) -> Reason | None:
        started, dialogue = self._runner.started, self._runner.dialogue
        if started is None or dialogue is None or started.asleep is asleep:
            return None
        if known := self._known(act):
            return known
        if started.asleep is None and await dialogue.asleep() is asleep:
            self._runner.note(replace(started, asleep=asleep))
            return None
        call = dialogue.control.acts.get(act)
        if call is None:
            return self._fails(act, _not_done(act, dialogue.control.absent.get(act, "")))
        self._runner.note(replace(started, asleep=None))
        if not_done := await dialogue.call(call):
            if not_done.answered:  # a refusal leaves it as it was
                self._runner.note(started)
            return self._fails(act, _not_done(act, not_done.text))
        if await dialogue.asleep() is not asleep and dialogue.control.asleep:  # some answer 200 and do nothing
            return self._fails(act, _not_done(act, "it took the call, and does not say that it is done"))
        self._runner.note(replace(started, asleep=asleep))
        self._failed = None
        return None

    async def _change(self, dialogue: Dialogue, old: Mapping[str, Any], new: Mapping[str, Any]) -> Reason | None:
        engine = dialogue.described.engine
        assert isinstance(engine, Controlled), "no option of it is live"
        for step in engine.live_steps(options_for(engine, old), options_for(engine, new)):
            if not_done := await dialogue.call(step.call):
                text = f"{step.option} is not changed: {not_done.text}"
                return self._fails(new, Reason("not_changed", text, _SEE_LOG))
            old = {**old, step.option: msgspec.to_builtins(step.value)}
            self._note_options(old)
        self._note_options(new)
        self._failed = None
        return None

    def _note_options(self, options: Mapping[str, Any]) -> None:
        started = self._runner.started
        assert started is not None
        spec = replace(started.owned.spec, options=dict(options))
        self._runner.note(replace(started, owned=replace(started.owned, spec=spec)))

    def _known(self, wanted: object) -> Reason | None:
        """Why just this failed, until it is due again."""
        failed = self._failed
        return failed.reason if failed and failed.wanted == wanted and self._clock() < failed.due_s else None

    def _fails(self, wanted: object, reason: Reason) -> Reason:
        self._failed = _Failed(wanted, reason, self._clock() + RETRY_S)
        return reason


def _not_done(act: Act, why: str) -> Reason:
    if act is Act.SLEEP:
        return Reason("not_asleep", f"does not sleep: {why}", _SEE_LOG)
    return Reason("not_awake", f"does not wake: {why}", _SEE_LOG)
