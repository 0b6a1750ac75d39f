"""What a change of MIG does to one GPU, call by call: looked at by a child of ours, changed by whoever has the right.

The driver is believed, never the answer of a call: an agent may have died while its helper went on, so what a call
says has failed may be there all the same. The next look tells.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

import msgspec

from agents.errors import AgentError
from agents.gpus.survey import GpuInstance, Holder, Survey
from agents.gpus.surveyor import CannotSurvey, Surveyor
from agents.privilege.answers import Created, Failed, Missing, Outcome, Switched
from agents.privilege.calls import AnyCall, CreateGpuInstance, DestroyGpuInstance, SetMigMode, Switch
from agents.privilege.privileged import Privileged
from engines.devices import MigSlot
from profiles.observed.mig import MigLayout
from profiles.observed.status import Reason

_NOT_FOUND, _RESET_REQUIRED, _IN_USE, _NO_ROOM = 6, 16, 19, 23
"""Of nvml.h."""


class CannotGoOn(AgentError):
    """A step of a change failed for good."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = Reason(code, message, hint)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a change is, in seconds: the table of `reference/gpus.md` §4.3 as far as it has numbers."""

    look_s: float = 0.5
    drain_limit_s: float = 300.0
    stop_limit_s: float = 60.0
    quiet_apart_s: float = 1.0
    """Nobody there, twice, so far apart."""
    quiet_limit_s: float = 60.0
    busy_first_s: float = 0.5
    busy_most_s: float = 4.0
    busy_limit_s: float = 30.0
    """A driver lets go of an instance late: asked again ever more slowly, for so long."""
    retry_s: float = 5.0
    """Before a disk that refused, or a driver that is not there yet, is tried again."""


class MigWork:
    """On one GPU, in the name of `author`."""

    def __init__(
        self,
        gpu_uuid: str,
        author: str,
        *,
        surveyor: Surveyor,
        privileged: Privileged,
        release: Callable[[], AbstractAsyncContextManager[None]],
        pace: Pace,
    ) -> None:
        self._gpu_uuid = gpu_uuid
        self._author = author
        self._surveyor = surveyor
        self._privileged = privileged
        self._release = release
        self._pace = pace

    async def look(self) -> Survey:
        """Raises CannotGoOn."""
        try:
            return await self._surveyor.look(self._gpu_uuid)
        except CannotSurvey as error:
            raise CannotGoOn("no_survey", error.message, error.hint) from None

    async def quiet(self, target: MigLayout) -> Survey:
        """Nobody is on what goes, `quiet_apart_s` apart twice. Raises CannotGoOn that names who stays."""
        deadline = asyncio.get_running_loop().time() + self._pace.quiet_limit_s
        calm = 0
        while True:
            survey = await self.look()
            found = in_the_way(survey, target)
            calm = 0 if found else calm + 1
            if found and asyncio.get_running_loop().time() > deadline:
                raise CannotGoOn("in_use", f"still on what is to go: {named(found)}", "end it, or ask its owner")
            if calm == 2:
                return survey
            await asyncio.sleep(self._pace.quiet_apart_s)

    async def switch(self, on_: bool) -> None:
        """MIG mode, with nothing of ours on the GPU. Raises CannotGoOn.

        Where somebody has the GPU open it is asked again for a while: the reader of an agent that died goes a moment
        after it.
        """
        word = "on" if on_ else "off"
        loop, pause_s = asyncio.get_running_loop(), self._pace.busy_first_s
        deadline = loop.time() + self._pace.busy_limit_s
        while True:
            outcome = await self._call(SetMigMode(gpu=self._gpu_uuid, to=Switch(word)))
            after = await self.look()
            if after.mode is on_ and after.pending is on_:
                return
            held_up = outcome.held_up if isinstance(outcome, Switched) else 0
            if held_up != _IN_USE or loop.time() > deadline:
                break
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._pace.busy_most_s)
        if held_up == _RESET_REQUIRED:
            text = f"MIG can be turned {word} only by a reset of the GPU"
            raise CannotGoOn("needs_reset", text, "reset it with nothing on it (`nvidia-smi --gpu-reset`), or reboot")
        if held_up == _IN_USE:
            text = f"MIG cannot be turned {word}: somebody has the GPU open"
            hint = "stop what only watches it too: DCGM and its exporters, nvsm, `fuser -v /dev/nvidia*` names them"
            raise CannotGoOn("in_use", text, hint)
        raise CannotGoOn("mode_failed", f"MIG was not turned {word}{_said(outcome)}")

    async def destroy(self, instance: GpuInstance) -> None:
        """One that is in use is asked for again. Raises CannotGoOn, and NotReleased of agents.gpus.reader."""
        if not await self._destroyed(instance):
            # A process that only reads may be in the way as well: ours lets go before the rest of the patience.
            async with self.let_go():
                await self._destroy_patiently(instance)

    async def create(self, slot: MigSlot, survey: Survey) -> None:
        """Raises CannotGoOn."""
        offer = next((one for one in survey.offers if one.profile == slot.profile), None)
        if offer is None or slot not in offer.slots():
            offered = ", ".join(one.profile for one in survey.offers)
            text = f"the driver offers no {slot.profile} at {slot.start}"
            raise CannotGoOn("not_offered", text, f"it offers {offered or 'nothing'}")
        call = CreateGpuInstance(gpu=self._gpu_uuid, profile=offer.id, start=slot.start, size=slot.size)
        outcome = await self._call(call)
        if isinstance(outcome, Created):
            return
        if slot not in (await self.look()).layout().slots:
            why = ": no room, or its place is taken" if _code(outcome) == _NO_ROOM else _said(outcome)
            raise CannotGoOn("create_failed", f"{slot.profile} at {slot.start} was not made{why}")

    async def _destroy_patiently(self, instance: GpuInstance) -> None:
        """Raises CannotGoOn."""
        loop, pause_s = asyncio.get_running_loop(), self._pace.busy_first_s
        deadline = loop.time() + self._pace.busy_limit_s
        while not await self._destroyed(instance):
            if loop.time() > deadline:
                raise await self._in_use(instance)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._pace.busy_most_s)

    async def _destroyed(self, instance: GpuInstance) -> bool:
        """False while it is in use. Raises CannotGoOn for every other refusal."""
        outcome = await self._call(DestroyGpuInstance(gpu=self._gpu_uuid, gi_id=instance.gi_id))
        if not isinstance(outcome, Failed) or _code(outcome) == _NOT_FOUND:
            return True
        if _code(outcome) == _IN_USE:
            return False
        if instance.gi_id not in {one.gi_id for one in (await self.look()).instances}:
            return True
        raise CannotGoOn("destroy_failed", f"{called(instance)} was not destroyed{_said(outcome)}")

    async def _in_use(self, instance: GpuInstance) -> CannotGoOn:
        found = [one for one in (await self.look()).holders if one.gi_id == instance.gi_id]
        who = named(found) if found else "by nobody that the driver lists"
        hint = "end it, or ask its owner" if found else "stop DCGM and its exporters: they may keep it open"
        return CannotGoOn("in_use", f"{called(instance)} stays in use: {who}", hint)

    def let_go(self) -> AbstractAsyncContextManager[None]:
        """Our own reader is off all GPUs for as long. Entering raises NotReleased (agents.gpus.reader)."""
        return self._release()

    async def _call(self, call: AnyCall) -> Outcome:
        """Raises CannotGoOn where nobody has the right."""
        outcome = await self._privileged.do(call, self._author)
        if isinstance(outcome, Missing):
            raise CannotGoOn(outcome.reason.code, outcome.reason.text, outcome.reason.hint)
        return outcome


def doomed(survey: Survey, target: MigLayout) -> list[GpuInstance]:
    """What has to go for `target`: what is not in it, and what was half made or half destroyed."""
    wanted = set(target.slots)
    return [one for one in survey.instances if not one.whole or one.slot not in wanted]


def in_the_way(survey: Survey, target: MigLayout) -> list[Holder]:
    """Who is on what has to go: on any of the GPU, where MIG mode changes."""
    if survey.mode is not target.mode:
        return list(survey.holders)
    going = {one.gi_id for one in doomed(survey, target)}
    return [one for one in survey.holders if one.gi_id in going]


def named(holders: Iterable[Holder]) -> str:
    """`python of ana (4711)`"""
    return ", ".join(f"{one.name or 'a process'} of {one.user or 'an unknown user'} ({one.pid})" for one in holders)


def called(instance: GpuInstance) -> str:
    return f"{instance.slot.profile} at {instance.slot.start}"


def _said(outcome: Outcome) -> str:
    return f": {outcome.text}" if isinstance(outcome, Failed) else ""


def _code(outcome: Outcome) -> int | None:
    return outcome.nvml if isinstance(outcome, Failed) else None
