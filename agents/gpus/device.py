"""One GPU through NVML: what is asked of it, and how often.

    every second       memory, utilization, power, heat, clocks, throttling, traffic, activity of the SMs
    every two          processes, and how busy each is
    every ten          ECC, remapped rows, recovery action; MIG mode, and which MIG devices there are
    every minute       persistence and compute mode

What is not asked for at a tick stands as it was told last. GPUs take turns, so that no tick is dear. Once lost, a
GPU keeps its row under its UUID, with all that was read last and when that was.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from agents.gpus import cards, fields, mig_devices, nvml
from agents.gpus.answers import Answers
from agents.gpus.condition import Condition
from agents.gpus.fields import Fields
from agents.gpus.mig_devices import MigDevices
from agents.gpus.processes import Processes
from agents.gpus.seconds import Seconds
from agents.gpus.tenants import Tenants
from profiles.observed.gpus import GpuErrors, MigDevice, MigState, Recovery
from profiles.observed.status import GpuProcess, GpuReading, GpuState

PROCESSES_EVERY, SLOW_EVERY, MODES_EVERY = 2, 10, 60

_GONE = {"state": "the GPU has fallen off the bus or needs a reset"}


class _Slow(NamedTuple):
    """What is asked every ten seconds."""

    answers: Answers
    errors: GpuErrors | None = None
    recovery: Recovery | None = None
    mig: MigState | None = None


class _Tenancy(NamedTuple):
    """What is asked every two."""

    answers: Answers
    mig_devices: tuple[MigDevice, ...] = ()
    processes: tuple[GpuProcess, ...] = ()


class Device:
    """`card` says what it is; its peers are for who knows all GPUs to find."""

    def __init__(self, index: int, processes: Processes, wall: Callable[[], float] = time.time) -> None:
        """Raises NvmlError for one that cannot be opened."""
        self.handle = nvml.by_index(index)
        self.uuid = nvml.uuid(self.handle)
        once = Fields(self.handle, (fields.RESETLESS_MIG, fields.NVLINK_COUNT)).read(0.0)
        resetless, nvlinks = once.get(fields.RESETLESS_MIG), once.get(fields.NVLINK_COUNT)
        self.card = cards.read(self.handle, self.uuid, None if nvlinks is None else int(nvlinks))
        self._resetless = None if resetless is None else bool(resetless)
        self._index = index
        self._wall = wall
        self._tick = -1
        self._last = GpuReading(uuid=self.uuid, index=index, name=nvml.name(self.handle))
        self._seen_unix_s: float | None = None
        self._seconds = Seconds(self.handle, self._last)
        self._condition = Condition(self.handle)
        self._tenants = Tenants(self.handle, processes)
        self._mig_devices = MigDevices(self.handle, processes)
        self._slow = _Slow(Answers())
        self._tenancy = _Tenancy(Answers())

    def read(self, now_s: float) -> GpuReading:
        """`now_s` is a monotonic time. What it does not say is None, with a reason."""
        self._tick += 1
        answers = Answers()
        reading = self._seconds.read(answers, now_s)
        if not answers.lost and self._due(SLOW_EVERY):
            self._slow = self._read_slow(now_s)
        if not answers.lost and self._due(PROCESSES_EVERY):
            self._tenancy = self._read_tenancy()
        if answers.lost or self._slow.answers.lost or self._tenancy.answers.lost:
            self._tick = -1  # once it is back, everything is asked anew
            self._slow, self._tenancy = _Slow(Answers()), _Tenancy(Answers())
            return replace(self._last, state=GpuState.LOST, absent=_GONE, seen_unix_s=self._seen_unix_s)
        if self._due(MODES_EVERY):
            self.card = cards.modes(self.card, self.handle)
        self._seen_unix_s = self._wall()
        self._last = replace(
            reading,
            errors=self._slow.errors,
            recovery=self._slow.recovery,
            mig=self._slow.mig,
            mig_devices=self._tenancy.mig_devices,
            processes=self._tenancy.processes,
            absent=answers.absent | self._slow.answers.absent | self._tenancy.answers.absent,
        )
        return self._last

    def look_again(self) -> None:
        """Its instances or its modes changed: ask for everything at the next read."""
        self._tick = -1

    def _due(self, every: int) -> bool:
        return self._tick == 0 or (self._tick + self._index) % every == 0

    def _read_slow(self, now_s: float) -> _Slow:
        answers = Answers()
        errors, recovery = self._condition.read(answers, now_s)
        mode = answers.ask("mig", lambda: mig_devices.mode(self.handle, self._resetless))
        if mode is not None and mode.current:
            answers.ask("mig_devices", self._mig_devices.look_again)
        else:
            self._mig_devices.close()
        return _Slow(answers, errors, recovery, mode)

    def _read_tenancy(self) -> _Tenancy:
        answers = Answers()
        if self._slow.mig is None or not self._slow.mig.current:
            held = answers.ask("processes", self._tenants.read) or ()
            answers.missing("process_busy_ratio", None, self._tenants.activity_refused)
            return _Tenancy(answers, processes=held)
        devices, held = answers.ask("processes", self._mig_devices.read) or ((), ())
        answers.absent["process_busy_ratio"] = "the driver does not tell it in MIG mode"
        return _Tenancy(answers, devices, held)
