"""One change of one GPU's layout, from wherever its journal says to `ready` or `stuck`.

Every step looks at what is there and makes what is missing, so that going through them anew is how a change goes on
after its agent died, and how it turns round: the layout before is one like any other (profiles.gpu.repartition draws
it). A change that failed before anything was destroyed is over at once: its engines start again where they were.
"""

import asyncio
from contextlib import AsyncExitStack

from msgspec.structs import replace

from agents.errors import Refused
from agents.failpoints import reach
from agents.fractions.holds import Hold, Holds
from agents.fractions.journal import Journal
from agents.fractions.migwork import CannotGoOn, MigWork, Pace, doomed
from agents.fractions.tenants import Tenants
from agents.gpus.reader import NotReleased
from engines.devices import MigSlot
from profiles.gpu.migplan import migration
from profiles.gpu.repartition import ChangePhase, GpuChange
from profiles.observed.mig import MigLayout
from profiles.observed.status import Reason

STUCK_HINT = "`gpuyard fractions resume` or `gpuyard fractions rollback` it, once what is said there is mended"


class Repartition:
    """Of the GPU `gpu_uuid`, from the moment on that its change is in the journal: nothing starts there any more."""

    def __init__(
        self,
        gpu_uuid: str,
        change: GpuChange,
        *,
        journal: Journal,
        work: MigWork,
        tenants: Tenants,
        holds: Holds,
        boot_id: str,
        pace: Pace,
    ) -> None:
        self._gpu_uuid = gpu_uuid
        self._change = change
        self._journal = journal
        self._work = work
        self._tenants = tenants
        self._holds = holds
        self._boot_id = boot_id
        self._pace = pace
        self._hold()

    async def run(self) -> GpuChange:
        """The change as it ended. Raises OSError where the journal cannot be written: nothing goes on without it."""
        while True:
            try:
                await self._reach(self._change.target)
            except (CannotGoOn, NotReleased, Refused) as error:
                reason = _reason(error)
                if self._change.rolling_back or self._change.restores:
                    return self._give_up(reason)
                self._change = replace(self._change, rolling_back=True, failure=reason)
            else:
                return self._change

    async def _reach(self, target: MigLayout) -> None:
        """Raises CannotGoOn, NotReleased, Refused, OSError."""
        self._to(ChangePhase.DRAINING)
        self._hold()
        await self._emptied()
        self._to(ChangePhase.QUIET)
        survey = await self._work.quiet(target)
        async with AsyncExitStack() as released:
            if survey.mode is not target.mode and not survey.resetless:
                self._to(ChangePhase.RELEASING)
                await released.enter_async_context(self._work.let_go())
            if target.mode and not (survey.mode and survey.pending):
                self._to(ChangePhase.MODE)
                await self._work.switch(True)
            await self._destroy(target)
            if not target.mode and (survey.mode or survey.pending):
                self._to(ChangePhase.MODE)
                await self._work.switch(False)
        await self._create(target)
        self._to(ChangePhase.VERIFYING)
        await self._verify(target)
        self._to(ChangePhase.RESTARTING)
        self._change = self._journal.arrive(self._gpu_uuid, self._change, target, self._boot_id)
        self._holds.lift(self._gpu_uuid)
        self._tenants.look_again()

    async def _emptied(self) -> None:
        """Whoever has to go is drained and stopped by its keeper. Raises CannotGoOn."""
        loop, stays = asyncio.get_running_loop(), staying(self._change.target)
        deadline = loop.time() + self._pace.drain_limit_s
        while living := [one for one in self._tenants.on(self._gpu_uuid) if one.lives and one.slot not in stays]:
            if self._change.phase is ChangePhase.DRAINING and not any(one.serves for one in living):
                self._to(ChangePhase.STOPPING)
                deadline = loop.time() + self._pace.stop_limit_s
            if loop.time() > deadline:
                names = ", ".join(sorted(one.instance for one in living))
                raise CannotGoOn("not_stopped", f"{names} did not stop", "see its events")
            await asyncio.sleep(self._pace.look_s)
        if self._change.phase is ChangePhase.DRAINING:
            self._to(ChangePhase.STOPPING)

    async def _destroy(self, target: MigLayout) -> None:
        self._to(ChangePhase.DESTROYING)
        for instance in doomed(await self._work.look(), target):
            await self._work.destroy(instance)
            reach("mig-destroyed")

    async def _create(self, target: MigLayout) -> None:
        self._to(ChangePhase.CREATING)
        survey = await self._work.look()
        for slot in migration(survey.layout(), target).create:
            await self._work.create(slot, survey)
            reach("mig-created")

    async def _verify(self, target: MigLayout) -> None:
        """What is there is what was wanted; what somebody took away meanwhile is made once more. Raises CannotGoOn."""
        survey = await self._work.look()
        if survey.layout() != target:
            await self._destroy(target)
            await self._create(target)
            survey = await self._work.look()
        if survey.layout() != target or doomed(survey, target):
            raise CannotGoOn("layout_differs", f"there is {survey.layout().text()} instead of {target.text()}")

    def _hold(self) -> None:
        self._holds.hold(self._gpu_uuid, held_back(self._change))
        self._tenants.look_again()

    def _to(self, phase: ChangePhase) -> None:
        self._change = self._journal.move(self._gpu_uuid, replace(self._change, phase=phase))

    def _give_up(self, reason: Reason) -> GpuChange:
        change = replace(self._change, phase=ChangePhase.STUCK, why_stuck=reason)
        self._change = self._journal.move(self._gpu_uuid, change)
        self._hold()
        return self._change


def staying(target: MigLayout) -> frozenset[MigSlot | None]:
    """Whose engines are not disturbed; None are those that have no MIG instance."""
    return frozenset(target.slots) if target.mode else frozenset({None})


def held_back(change: GpuChange) -> Hold:
    """What a change keeps from its GPU: everybody new, and who is on what goes."""
    if change.phase is ChangePhase.STUCK and change.why_stuck:
        kept = staying(change.before) & staying(change.wanted)
        why = Reason("repartition_stuck", f"the change of its MIG layout is stuck: {change.why_stuck.text}", STUCK_HINT)
        return Hold(reason=why, stays=kept, opens=True)
    text = f"its GPU is divided anew: {change.target.text()}"
    return Hold(reason=Reason("repartition", text, "it starts again afterwards"), stays=staying(change.target))


def _reason(error: CannotGoOn | NotReleased | Refused) -> Reason:
    match error:
        case CannotGoOn():
            return error.reason
        case Refused():
            return Reason(error.code, error.message, error.hint)
    return Reason("not_released", str(error), "see `dmesg` for Xid lines")
