"""What was done to the layout of each GPU, on the disk before it is done: one file a GPU, replaced whole.

fractions/<GPU's UUID>.json   GpuRecord (profiles.gpu.repartition)
"""

import re
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from agents import state
from agents.events import EventLog
from agents.failpoints import reach
from profiles.gpu.repartition import AppliedLayout, ChangePhase, GpuChange, GpuRecord
from profiles.observed.mig import MigLayout
from profiles.observed.status import EventKind

KEPT = 20
"""Layouts of a GPU that are remembered."""

_NAME = re.compile(r"GPU-[0-9A-Za-z-]{1,90}")


class Journal:
    """Of the node. Raises BadState where a newer version wrote one of the files, OSError."""

    def __init__(self, directory: Path, events: EventLog, wall: Callable[[], float]) -> None:
        self._directory = directory
        self._wall = wall
        self.records: dict[str, GpuRecord] = {}
        for path in sorted(directory.glob("GPU-*.json")):
            found = state.load(path, GpuRecord)
            if isinstance(found, state.Damaged):
                events.append(EventKind.AGENT, f"{path.name}: {found.problem}", code="state_damaged")
                found = found.previous
            if found is not None:
                self.records[found.gpu_uuid] = found

    def begin(self, gpu_uuid: str, gpu_index: int, change: GpuChange) -> None:
        """Raises OSError, and then nothing has begun."""
        known = self.records.get(gpu_uuid) or GpuRecord(gpu_uuid=gpu_uuid, gpu_index=gpu_index)
        layouts = known.layouts
        if not change.restores and (not layouts or layouts[-1].layout != change.before):
            layouts = (*layouts, AppliedLayout(layout=change.before, at_unix_s=self._wall()))
        now_s = self._wall()
        stamped = replace(change, began_unix_s=now_s, since_unix_s=now_s)
        self._save(replace(known, gpu_index=gpu_index, layouts=layouts[-KEPT:], change=stamped))

    def move(self, gpu_uuid: str, change: GpuChange) -> GpuChange:
        """The change is in another phase, or has turned round. Raises OSError."""
        stamped = replace(change, since_unix_s=self._wall())
        self._save(replace(self.records[gpu_uuid], change=stamped))
        return stamped

    def arrive(self, gpu_uuid: str, change: GpuChange, layout: MigLayout, boot_id: str) -> GpuChange:
        """`layout` stands from now on. Raises OSError."""
        known = self.records[gpu_uuid]
        layouts = known.layouts
        if change.target == change.wanted and not change.restores:
            applied = AppliedLayout(layout=layout, author=change.author, reason=change.reason, at_unix_s=self._wall())
            layouts = (*layouts, applied)[-KEPT:]
        stamped = replace(change, phase=ChangePhase.READY, since_unix_s=self._wall())
        self._save(replace(known, layouts=layouts, change=stamped, boot_id=boot_id))
        return stamped

    def _save(self, record: GpuRecord) -> None:
        if not _NAME.fullmatch(record.gpu_uuid):
            raise ValueError(f"not a UUID of a GPU: {record.gpu_uuid!r}")
        self._directory.mkdir(mode=0o700, exist_ok=True)
        state.save(self._directory / f"{record.gpu_uuid}.json", record)
        self.records[record.gpu_uuid] = record
        if record.change:
            reach(f"mig-{record.change.phase}")
