"""What may be asked about the layouts of a node's GPUs: plan one, apply it, undo it, settle one that is stuck.

A plan is a look; nothing of it is kept. `apply` plans anew and refuses with `stale` where the GPU is divided otherwise
than whoever asks has seen.
"""

import secrets
from collections.abc import Mapping
from itertools import combinations

from msgspec.structs import replace

from agents.errors import Refused
from agents.fractions.changes import Changes, Workshop
from agents.fractions.migwork import doomed
from agents.gpus.survey import GpuInstance, Survey
from agents.gpus.surveyor import CannotSurvey
from agents.privilege.calls import AnyCall, CreateGpuInstance, DestroyGpuInstance, SetMigMode, Switch
from engines.devices import MigSlot
from profiles.gpu.migparts import offers_of
from profiles.gpu.migplan import MigPlan, Undivided, divide, migration
from profiles.gpu.repartition import Blocker, BlockerKind, ChangePhase, GpuChange, GpuPlan, GpuRecord
from profiles.observed.mig import MigLayout, layout, overlap
from profiles.observed.status import GpuReading, Reason


class Layouts:
    """Of the node."""

    def __init__(self, changes: Changes, shop: Workshop) -> None:
        self._changes = changes
        self._board = shop.board
        self._surveyor = shop.surveyor
        self._privileged = shop.privileged
        self._tenants = shop.tenants

    @property
    def records(self) -> tuple[GpuRecord, ...]:
        """What is remembered of each GPU, with the change that is under way."""
        return tuple(sorted(self._changes.journal.records.values(), key=lambda one: one.gpu_index))

    async def plan(self, gpu_uuid: str, request: Mapping[str, int] | None) -> GpuPlan:
        """`request` None is MIG off. Raises Refused."""
        survey = await self._look(gpu_uuid)
        if request is None:
            return self._planned(gpu_uuid, survey, MigLayout(mode=False))
        offers = (
            survey.offers if survey.mode else offers_of(self._gpu(gpu_uuid).name, self._gpu(gpu_uuid).memory_total_mib)
        )
        if not offers:
            text = "what it offers is known only in MIG mode, and this kind of GPU is not in our table"
            raise Refused("invalid", text, "turn MIG on by hand (`nvidia-smi -mig 1`), then plan again")
        now = survey.layout().slots
        used = {one.slot for one in self._tenants.on(gpu_uuid) if one.slot} | _used(survey)
        try:
            return self._planned(gpu_uuid, survey, layout(divide(request, offers, now, used)))
        except Undivided as error:
            raise Refused("invalid", error.reason.text, error.reason.hint) from None

    async def plan_undo(self, gpu_uuid: str) -> GpuPlan:
        """Back to the layout before the newest. Raises Refused."""
        record = self._changes.journal.records.get(gpu_uuid)
        if record is None or record.earlier is None:
            raise Refused("not_found", "gpuyard has not changed the layout of this GPU", "there is nothing to undo")
        plan = self._planned(gpu_uuid, await self._look(gpu_uuid), record.earlier.layout)
        return replace(plan, undoes=record.layouts[-1])

    async def apply(
        self, gpu_uuid: str, expected: MigLayout, wanted: MigLayout, *, drain: bool, author: str, reason: str
    ) -> GpuChange:
        """A change that is in the journal; its course is in `records`. Raises Refused, OSError."""
        self._check_idle(gpu_uuid)
        _check_sound(wanted)
        wanted = layout(wanted.slots) if wanted.mode else MigLayout(mode=False)
        survey = await self._look(gpu_uuid)
        plan = self._planned(gpu_uuid, survey, wanted)
        if plan.plan.now != expected:
            text = f"the GPU is divided otherwise by now: {plan.plan.now.text()}"
            raise Refused("stale", text, "plan again")
        _check_free(plan, drain=drain)
        change = GpuChange(
            id=secrets.token_hex(8), phase=ChangePhase.PLANNED, before=plan.plan.now, wanted=wanted, author=author,
            reason=reason,
        )  # fmt: skip
        self._check_idle(gpu_uuid)  # another may have come while the driver was asked
        self._changes.begin(gpu_uuid, plan.gpu_index, change)
        return change

    def settle(self, gpu_uuid: str, *, back: bool, author: str) -> GpuChange:
        """Go on with a stuck change, or `back` to the layout before it. Raises Refused, OSError."""
        self._check_idle(gpu_uuid)
        record = self._changes.journal.records.get(gpu_uuid)
        if record is None or record.change is None or record.change.phase is not ChangePhase.STUCK:
            raise Refused("not_found", "no change of this GPU is stuck", "see `gpuyard fractions`")
        change = replace(
            record.change, phase=ChangePhase.PLANNED, rolling_back=back, restores=False, failure=None, why_stuck=None,
            author=author,
        )  # fmt: skip
        self._changes.begin(gpu_uuid, record.gpu_index, change)
        return change

    def _check_idle(self, gpu_uuid: str) -> None:
        """Raises Refused."""
        if self._changes.is_busy(gpu_uuid):
            change = self._changes.journal.records[gpu_uuid].change
            what = f"{change.author}: {change.phase}" if change else "its layout is made again after a reboot"
            raise Refused("busy", f"a change of this GPU is under way ({what})", "wait for its end")

    def _gpu(self, gpu_uuid: str) -> GpuReading:
        """Raises Refused."""
        found = next((one for one in self._board.status().gpus if one.uuid == gpu_uuid), None)
        if found is None:
            raise Refused("not_found", f"there is no GPU {gpu_uuid} on this node", "see `gpuyard gpus`")
        return found

    async def _look(self, gpu_uuid: str) -> Survey:
        """Raises Refused."""
        self._gpu(gpu_uuid)
        try:
            survey = await self._surveyor.look(gpu_uuid)
        except CannotSurvey as error:
            if error.may_not:
                raise Refused("denied", error.message, error.hint) from None
            raise Refused("unavailable", error.message, error.hint) from None
        if survey.mode is None:
            raise Refused("invalid", "this GPU knows no MIG", "see `gpuyard fractions` for what else can share it")
        return survey

    def _planned(self, gpu_uuid: str, survey: Survey, wanted: MigLayout) -> GpuPlan:
        plan = migration(survey.layout(), wanted)
        resets = plan.switches and survey.resetless is not True
        return GpuPlan(
            gpu_uuid=gpu_uuid,
            gpu_index=survey.index,
            plan=plan,
            blockers=(*self._ours(gpu_uuid, plan), *self._others(gpu_uuid, survey, plan), *_reader(resets)),
            resets=resets,
            missing=self._missing(gpu_uuid, survey, plan),
        )

    def _ours(self, gpu_uuid: str, plan: MigPlan) -> list[Blocker]:
        return [
            Blocker(kind=BlockerKind.INSTANCE, slot=one.slot, instance=one.instance, pid=one.pid)
            for one in self._tenants.on(gpu_uuid)
            if one.lives and (plan.switches or one.slot in plan.destroy)
        ]

    def _others(self, gpu_uuid: str, survey: Survey, plan: MigPlan) -> list[Blocker]:
        slots = {one.gi_id: one.slot for one in survey.instances}
        gone = {one.gi_id for one in doomed(survey, plan.wanted)}
        return [
            Blocker(
                kind=BlockerKind.PROCESS, slot=slots.get(one.gi_id) if one.gi_id is not None else None, pid=one.pid,
                name=one.name, user=one.user, memory_mib=one.memory_mib,
            )
            for one in survey.holders
            if (plan.switches or one.gi_id in gone) and not self._tenants.owner(one.pid)
        ]  # fmt: skip

    def _missing(self, gpu_uuid: str, survey: Survey, plan: MigPlan) -> Reason | None:
        """The first right that is not there."""
        calls: list[AnyCall] = []
        if plan.switches:
            calls.append(SetMigMode(gpu=gpu_uuid, to=Switch.ON if plan.wanted.mode else Switch.OFF))
        if plan.create:
            slot = plan.create[0]
            calls.append(CreateGpuInstance(gpu=gpu_uuid, profile=0, start=slot.start, size=slot.size))
        calls += [DestroyGpuInstance(gpu=gpu_uuid, gi_id=one.gi_id) for one in doomed(survey, plan.wanted)]
        found = (self._privileged.may(call) for call in calls)
        return next((one.reason for one in found if one), None)


def _check_sound(wanted: MigLayout) -> None:
    """What a driver would refuse only after something was destroyed. Raises Refused."""
    apart = not any(overlap(one, other) for one, other in combinations(wanted.slots, 2))
    if not apart or (wanted.slots and not wanted.mode):
        raise Refused("invalid", f"{wanted.text()} is no layout: its places overlap", "plan again")


def _check_free(plan: GpuPlan, *, drain: bool) -> None:
    """Raises Refused."""
    if not plan.plan.changes:
        raise Refused("invalid", f"the GPU is divided so already: {plan.plan.now.text()}", "there is nothing to do")
    if plan.missing:
        raise Refused("denied", plan.missing.text, plan.missing.hint)
    if plan.foreign:
        names = "; ".join(one.text() for one in plan.foreign)
        raise Refused("in_use", f"not of gpuyard, so never ended by it: {names}", "end it, or ask its owner")
    if plan.drained and not drain:
        names = "; ".join(one.text() for one in plan.drained)
        raise Refused("in_use", f"it would end {names}", "--drain lets requests finish, then stops")


def _used(survey: Survey) -> set[MigSlot]:
    there: dict[int, GpuInstance] = {one.gi_id: one for one in survey.instances}
    return {there[one.gi_id].slot for one in survey.holders if one.gi_id in there}


def _reader(resets: bool) -> tuple[Blocker, ...]:
    return (Blocker(kind=BlockerKind.READER),) if resets else ()
