"""The XIDs of this node's GPUs: told once in the events, and kept until the GPU was reset or the node booted.

    driver's events ─┐                        ┌─► an event each, or one a minute for the same again and again
    kernel's log ────┴─► Witnesses ─► count ──┴─► xids.json: what stands for each GPU   (survives the agent)

That a GPU was reset shows in its energy counter, which begins anew.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agents import state
from agents.events import EventLog
from agents.gpus import kernellog
from agents.gpus.kernellog import KernelXid, booted_unix_s, same_bus
from agents.gpus.source import Frame
from agents.processes import tree
from agents.sampling.witnesses import Witness, Witnesses
from profiles.observed.gpus import GpuCard, Xid
from profiles.observed.status import EventKind, GpuReading, GpuSourceKind
from profiles.observed.xids import meaning

QUIET_S = 60.0
"""The same XID of the same GPU is told at most this often; the event after says how many were not."""
KEPT = 16
"""Numbers kept for a GPU; the newest."""


class Standing(msgspec.Struct, frozen=True):
    """An XID, and how much energy the GPU had used when it came."""

    xid: Xid
    energy_mj: int | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """xids.json. `kernel_record` is the newest one of the kernel's log that was counted."""

    boot_id: str
    kernel_record: int = -1
    standing: dict[str, dict[str, Standing]] = {}
    """By UUID, then by number."""


class XidLog:
    """What cannot be written down is known until the agent ends."""

    def __init__(self, path: Path, events: EventLog, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._events = events
        self._wall = wall
        found = state.load(path, Record)
        kept = found if isinstance(found, Record) and found.boot_id == tree.boot_id() else None
        self._record = self._written = kept or Record(boot_id=tree.boot_id())
        self._witnesses = Witnesses()
        self._waiting: list[KernelXid] = []
        self._gpus: Mapping[str, GpuReading] = {}
        self._cards: Sequence[GpuCard] = ()
        self._is_real = True
        self._told: dict[tuple[str, int], tuple[float, int]] = {}
        """When an XID was told last, and how many came since."""

    async def follow_kernel(self, log: Path = kernellog.KMSG) -> None:
        """Until cancelled. Where the log is not to be read, the driver is the only witness."""
        with contextlib.suppress(OSError):
            await kernellog.follow(self.hear_kernel, log)

    def look(self, frame: Frame) -> None:
        """What was just read: which GPUs there are, which were reset, what the driver reported. Then it is kept."""
        self._gpus = {gpu.uuid: gpu for gpu in frame.gpus}
        self._cards = self._cards if frame.cards is None else frame.cards
        self._is_real = frame.source.kind is GpuSourceKind.NVML
        self._end_what_was_reset()
        if self._cards:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                self._hear_kernel(one)
        for xid in frame.xids:
            self._hear(xid.uuid, xid.number, xid.at_unix_s, Witness.DRIVER)
        self._write()

    def hear_kernel(self, xid: KernelXid) -> None:
        """Held until the GPUs are known by their bus addresses."""
        if self._cards:
            self._hear_kernel(xid)
        elif len(self._waiting) < 1024:
            self._waiting.append(xid)

    def standing(self, uuid: str) -> tuple[Xid, ...]:
        """By number."""
        return tuple(sorted((one.xid for one in self._of(uuid).values()), key=lambda xid: xid.number))

    def _end_what_was_reset(self) -> None:
        if not self._is_real:
            return  # simulated counters begin anew with each reader
        for gpu in self._gpus.values():
            used = gpu.energy_mj
            before = [one.energy_mj for one in self._of(gpu.uuid).values() if one.energy_mj is not None]
            if used is not None and before and used < max(before):
                self._events.append(EventKind.GPU, f"gpu{gpu.index} was reset", code="gpu_reset", gpu=gpu.uuid)
                self._record = replace(self._record, standing={**self._record.standing, gpu.uuid: {}})

    def _hear_kernel(self, xid: KernelXid) -> None:
        if xid.record <= self._record.kernel_record:
            return  # an agent before this one has counted it
        self._record = replace(self._record, kernel_record=xid.record)
        uuid = next((card.uuid for card in self._cards if same_bus(xid.bus, card.bus)), "")
        at_unix_s = min(self._wall(), booted_unix_s() + xid.at_us / 1e6)
        self._hear(uuid, xid.number, at_unix_s, Witness.KERNEL, pid=xid.pid, words=xid.text, bus=xid.bus)

    def _hear(
        self, uuid: str, number: int, at_unix_s: float, witness: Witness,
        *, pid: int | None = None, words: str = "", bus: str = "",
    ) -> None:  # fmt: skip
        if not self._witnesses.is_new(uuid, number, at_unix_s, witness):
            return
        if uuid:
            before = self._of(uuid).get(str(number))
            count = (before.xid.count if before else 0) + 1
            gpu = self._gpus.get(uuid)
            new = Standing(Xid(number, at_unix_s, count), gpu.energy_mj if gpu else None)
            newest = sorted({**self._of(uuid), str(number): new}.items(), key=lambda pair: pair[1].xid.at_unix_s)
            self._record = replace(self._record, standing={**self._record.standing, uuid: dict(newest[-KEPT:])})
        self._tell(uuid, number, at_unix_s, pid, words, bus)

    def _tell(self, uuid: str, number: int, at_unix_s: float, pid: int | None, words: str, bus: str) -> None:
        last_unix_s, untold = self._told.get((uuid, number), (0.0, 0))
        if at_unix_s - last_unix_s < QUIET_S:
            self._told[uuid, number] = (last_unix_s, untold + 1)
            return
        self._told[uuid, number] = (at_unix_s, 0)
        found = meaning(number)
        gpu = self._gpus.get(uuid)
        name = f"gpu{gpu.index}" if gpu else f"the GPU at {bus or 'an unknown place'}"
        own = f" ({words})" if words and found.act is None else ""
        more = f"; {untold} more of them before" if untold else ""
        instance = next((one.instance for one in gpu.processes if pid and one.pid == pid), None) if gpu else None
        ago_s = self._wall() - at_unix_s
        then = f", {ago_s / 60:.0f} min ago" if ago_s >= 60 else ""
        text = f"{name} XID {number}: {found.text}{own}{more}{then} — {found.advice}"
        self._events.append(
            EventKind.GPU, text, code="xid", gpu=uuid or None, instance=instance, severity=found.severity
        )

    def _of(self, uuid: str) -> Mapping[str, Standing]:
        return self._record.standing.get(uuid, {})

    def _write(self) -> None:
        """Once a look at most, however many there were."""
        if self._record != self._written:
            with contextlib.suppress(OSError):
                state.save(self._path, self._record)
                self._written = self._record
