"""The changes of layouts that are under way on a node, one a GPU, and those that an earlier agent left.

journal ──find──► a hold on its GPU at once ──run──► gone on with, or made again after a reboot
begin ──────────► journal ──► Repartition ──► ready, rolled back or stuck: told as events, and stuck as a trouble
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

import msgspec
from msgspec.structs import replace

from agents.board import Board
from agents.errors import Refused
from agents.events import EventLog
from agents.fractions.holds import Hold, Holds
from agents.fractions.journal import Journal
from agents.fractions.migwork import MigWork, Pace
from agents.fractions.repartition import STUCK_HINT, Repartition, held_back
from agents.fractions.tenants import Tenants
from agents.gpus.surveyor import CannotSurvey, Surveyor
from agents.privilege.privileged import Privileged
from profiles.gpu.repartition import ChangePhase, GpuChange, GpuRecord
from profiles.observed.status import EventKind, Reason

logger = logging.getLogger(__name__)


class Workshop(msgspec.Struct, frozen=True, kw_only=True):
    """What every change of a node is made with."""

    board: Board
    events: EventLog
    surveyor: Surveyor
    privileged: Privileged
    tenants: Tenants
    holds: Holds
    release: Callable[[], AbstractAsyncContextManager[None]]
    """Our reader lets go of the GPUs (agents.gpus.reader)."""
    boot_id: str
    changed: Callable[[], None] = lambda: None
    """The GPUs are other than they were: our reader may look again."""
    pace: Pace = Pace()


class Changes:
    """Lays the holds of what is not over on its GPUs when it is made: before any engine may start."""

    def __init__(self, journal: Journal, workshop: Workshop) -> None:
        self.journal = journal
        self._shop = workshop
        self._tasks: asyncio.TaskGroup | None = None
        self._busy: set[str] = set()
        for record in journal.records.values():
            self._find(record)

    async def run(self) -> None:
        """Until cancelled; the next agent goes on with what is under way."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for record in tuple(self.journal.records.values()):
                    if record.change and not record.change.over:
                        self._attend(record.gpu_uuid, self._carry(record.gpu_uuid))
                    elif self._is_lost(record):
                        self._attend(record.gpu_uuid, self._restore(record))
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def is_busy(self, gpu_uuid: str) -> bool:
        return gpu_uuid in self._busy

    def begin(self, gpu_uuid: str, gpu_index: int, change: GpuChange) -> None:
        """Raises Refused, and OSError where it cannot be put on the disk: then nothing has begun."""
        if self._tasks is None:
            raise Refused("unavailable", "the agent has only begun, or is ending", "ask again in a moment")
        self.journal.begin(gpu_uuid, gpu_index, change)
        self._shop.holds.hold(gpu_uuid, held_back(change))
        text = f"gpu{gpu_index}: MIG changes from {change.before.text()} to {change.target.text()}"
        self._tell(gpu_uuid, text, "repartition_began", change.author)
        self._attend(gpu_uuid, self._carry(gpu_uuid))

    def _find(self, record: GpuRecord) -> None:
        change = record.change
        if change and change.phase is not ChangePhase.READY:
            self._shop.holds.hold(record.gpu_uuid, held_back(change))
            self._show(record)
            if not change.over:
                self._busy.add(record.gpu_uuid)
        elif self._is_lost(record):
            self._busy.add(record.gpu_uuid)
            self._shop.holds.hold(record.gpu_uuid, Hold(reason=_not_back("is looked at")))

    def _is_lost(self, record: GpuRecord) -> bool:
        """A layout that somebody made through gpuyard, before a reboot."""
        return bool(record.layouts and record.layouts[-1].author) and record.boot_id != self._shop.boot_id

    def _attend(self, gpu_uuid: str, work: Coroutine[None, None, None]) -> None:
        assert self._tasks is not None
        self._busy.add(gpu_uuid)
        self._tasks.create_task(work).add_done_callback(lambda _: self._busy.discard(gpu_uuid))

    async def _carry(self, gpu_uuid: str) -> None:
        """The change in the journal, to its end. A disk that refuses is waited for: nothing is done without it."""
        while True:
            record = self.journal.records[gpu_uuid]
            assert record.change is not None
            try:
                ended = await self._repartition(record, record.change).run()
                break
            except OSError as error:
                logger.error("gpu%d: the journal cannot be written: %s", record.gpu_index, error)
                await asyncio.sleep(self._shop.pace.retry_s)
        self._shop.changed()
        record = self.journal.records[gpu_uuid]
        self._show(record)
        self._tell(gpu_uuid, *_ended(record.gpu_index, ended), ended.author)

    def _repartition(self, record: GpuRecord, change: GpuChange) -> Repartition:
        shop = self._shop
        work = MigWork(
            record.gpu_uuid, change.author, surveyor=shop.surveyor, privileged=shop.privileged, release=shop.release,
            pace=shop.pace,
        )  # fmt: skip
        return Repartition(
            record.gpu_uuid, change, journal=self.journal, work=work, tenants=shop.tenants, holds=shop.holds,
            boot_id=shop.boot_id, pace=shop.pace,
        )  # fmt: skip

    async def _restore(self, record: GpuRecord) -> None:
        """MIG instances, and on newer GPUs the mode, are gone with a reboot: made again before any engine starts."""
        applied = record.layouts[-1]
        while True:
            try:
                survey = await self._shop.surveyor.look(record.gpu_uuid)
                break
            except CannotSurvey as error:
                reason = _not_back(f"cannot be looked at: {error.message}", error.hint)
                self._shop.holds.hold(record.gpu_uuid, Hold(reason=reason))
                await asyncio.sleep(self._shop.pace.retry_s)
        change = GpuChange(
            id=f"boot-{self._shop.boot_id}", phase=ChangePhase.PLANNED, before=survey.layout(), wanted=applied.layout,
            author=applied.author, reason="made again after a reboot", restores=True,
        )  # fmt: skip
        try:
            self.journal.begin(record.gpu_uuid, survey.index, change)
        except OSError:  # `_carry` waits for the disk
            self.journal.records[record.gpu_uuid] = replace(record, change=change)
        await self._carry(record.gpu_uuid)

    def _show(self, record: GpuRecord) -> None:
        change = record.change
        stuck = change.why_stuck if change and change.phase is ChangePhase.STUCK else None
        text = f"gpu{record.gpu_index}: a change of its MIG layout is stuck: {stuck.text}" if stuck else ""
        trouble = Reason("repartition_stuck", text, STUCK_HINT) if stuck else None
        self._shop.board.set_trouble(f"repartition {record.gpu_uuid}", trouble)

    def _tell(self, gpu_uuid: str, text: str, code: str, author: str) -> None:
        self._shop.events.append(EventKind.GPU, text, author=author, code=code, gpu=gpu_uuid)


def _ended(gpu_index: int, change: GpuChange) -> tuple[str, str]:
    """Text and code of its event."""
    failed = change.failure.text if change.failure else ""
    if change.phase is ChangePhase.STUCK:
        stuck = change.why_stuck.text if change.why_stuck else ""
        before = f"{failed}; then, on the way back: " if failed and failed != stuck else ""
        return f"gpu{gpu_index}: the change of MIG is stuck: {before}{stuck}", "repartition_stuck"
    if change.rolling_back:
        why = f": {failed}" if failed else " as asked"
        return f"gpu{gpu_index}: MIG is as before ({change.before.text()}), rolled back{why}", "repartition_rolled_back"
    return f"gpu{gpu_index}: MIG is {change.wanted.text()}", "repartition_ended"


def _not_back(what: str, hint: str = "") -> Reason:
    text = f"its GPU's MIG layout is of before the reboot and {what}"
    return Reason("repartition", text, hint or "it starts once the layout is made again")
