"""Changes of GPUs that are worth a line in the events: lost and back, foreign processes, throttling.

    readings ──► what holds now ──► Steady: told once it has held, and once it has been over, for a while ──► events

A reading that is stale, or of a GPU that is lost, says nothing of the rest: what held before goes on holding.
What held when the agent started is no news.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from agents.events import EventLog
from agents.limits import Bucket
from profiles.observed.finding import Severity
from profiles.observed.status import EventKind, GpuProcess, GpuReading, GpuState

ORDINARY = frozenset({"sw_power_cap", "sync_boost"})
"""Why clocks are lower on a GPU that simply works hard."""

SEVERITY = {"gpu_lost_began": Severity.PROBLEM, "throttle_began": Severity.WARNING}

EVENTS_BURST = 20
EVENTS_PER_S = 0.2


class Lasting(NamedTuple):
    """Seconds until something is told to have begun, and to be over."""

    begins_s: float
    ends_s: float


LOST = Lasting(0.0, 0.0)
FOREIGN = Lasting(2.0, 3.0)
THROTTLED = Lasting(5.0, 30.0)


class Held(NamedTuple):
    """What holds on one GPU: what it is told as, and how long it must last."""

    gpu: GpuReading
    text: str
    over: str
    code: str
    lasting: Lasting


class Happening(NamedTuple):
    text: str
    code: str
    gpu: str


class _State:
    def __init__(self, since_s: float, held: Held, *, told: bool) -> None:
        self.held = held
        self.told = told
        self.since_s = since_s
        self.gone_s: float | None = None


class Steady:
    """Conditions by their key, told when they have held, or been over, for long enough. The caller brings the time."""

    def __init__(self) -> None:
        self._states: dict[Hashable, _State] = {}
        self._first = True

    def look(self, now_s: float, held: Mapping[Hashable, Held], unseen: Iterable[str]) -> list[Happening]:
        """`unseen` are GPUs of which this look says nothing but what it holds."""
        happened = []
        for key, one in held.items():
            state = self._states.get(key)
            if state is None:
                state = self._states[key] = _State(now_s, one, told=self._first)
            state.held, state.gone_s = one, None
            if not state.told and now_s - state.since_s >= one.lasting.begins_s:
                state.told = True
                happened.append(Happening(one.text, f"{one.code}_began", one.gpu.uuid))
        silent = set(unseen)
        for key, state in list(self._states.items()):
            if key in held or state.held.gpu.uuid in silent:
                continue
            state.gone_s = now_s if state.gone_s is None else state.gone_s
            if now_s - state.gone_s >= state.held.lasting.ends_s or not state.told:
                del self._states[key]
                if state.told:
                    happened.append(Happening(state.held.over, f"{state.held.code}_ended", state.held.gpu.uuid))
        self._first = False
        return happened


class GpuWatch:
    """At most EVENTS_BURST events at once and one each five seconds; those above are counted."""

    def __init__(self, events: EventLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._clock = clock
        self._steady = Steady()
        self._bucket = Bucket(EVENTS_PER_S, EVENTS_BURST, clock)
        self._left_out = 0

    def look(self, gpus: Sequence[GpuReading]) -> None:
        """All GPUs as they were just read."""
        if not gpus:
            return  # they cannot be read at all: the source of the readings says so
        unseen = [gpu.uuid for gpu in gpus if gpu.state is not GpuState.OK]
        held = {key: one for gpu in gpus if gpu.state is not GpuState.STALE for key, one in _held(gpu)}
        for happening in self._steady.look(self._clock(), held, unseen):
            self._tell(happening)

    def _tell(self, happening: Happening) -> None:
        if self._bucket.take():
            self._left_out += 1
            return
        if self._left_out:
            text = f"{self._left_out} changes of GPUs before this one were too many to be told"
            self._events.append(EventKind.GPU, text, code="gpu_events_left_out")
            self._left_out = 0
        severity = SEVERITY.get(happening.code)
        self._events.append(EventKind.GPU, happening.text, code=happening.code, gpu=happening.gpu, severity=severity)


def _held(gpu: GpuReading) -> Iterable[tuple[Hashable, Held]]:
    name = f"gpu{gpu.index}"
    if gpu.state is GpuState.LOST:
        yield (gpu.uuid, "lost"), Held(gpu, f"{name} is lost", f"{name} is back", "gpu_lost", LOST)
        return
    for process in gpu.processes:
        if process.instance is None:
            who = _who(process)
            texts = (f"{name} + foreign process {who}", f"{name} − foreign process {who}")
            yield (gpu.uuid, process.pid, process.name), Held(gpu, *texts, "foreign", FOREIGN)
    for reason in gpu.throttle:
        if reason not in ORDINARY:
            texts = (f"{name} is throttled: {reason}", f"{name} is no longer throttled: {reason}")
            yield (gpu.uuid, reason), Held(gpu, *texts, "throttle", THROTTLED)


def _who(process: GpuProcess) -> str:
    memory = "" if process.memory_mib is None else f", {process.memory_mib / 1024:.1f} GiB"
    return f"{process.name or 'unknown'} ({process.user or 'unknown user'}, {process.pid}{memory})"
