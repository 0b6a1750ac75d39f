"""The health of each GPU with every reading, and an event where it changes; an XID is an event already."""

from collections.abc import Sequence

from msgspec.structs import replace

from agents.events import EventLog
from agents.gpus.source import Frame
from agents.sampling.xidlog import XidLog
from profiles.observed.finding import Severity
from profiles.observed.gpuhealth import SAID, judge
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import EventKind, GpuReading, Reason

TOLD = frozenset({GpuHealth.OK, GpuHealth.DEGRADED, GpuHealth.DRAIN})
"""That one is lost, or not readable, is told by those who notice it."""


SEVERITY = {
    GpuHealth.OK: Severity.OK, GpuHealth.DEGRADED: Severity.WARNING, GpuHealth.DRAIN: Severity.PROBLEM
}  # fmt: skip


class GpuHealthWatch:
    """What holds when the agent starts is no news."""

    def __init__(self, xids: XidLog, events: EventLog) -> None:
        self._xids = xids
        self._events = events
        self._before: dict[str, GpuHealth] = {}

    def look(self, frame: Frame) -> Sequence[GpuReading]:
        """The readings of a frame, with what stands against each GPU."""
        self._xids.look(frame)
        return [self._judged(gpu, stalled=frame.stalled) for gpu in frame.gpus]

    def _judged(self, gpu: GpuReading, *, stalled: bool) -> GpuReading:
        xids = self._xids.standing(gpu.uuid)
        health, reason = judge(gpu, xids, stalled=stalled)
        if health in TOLD:
            if self._before.get(gpu.uuid, health) is not health and not (reason and reason.code == "xid"):
                self._tell(gpu, health, reason)
            self._before[gpu.uuid] = health
        if not xids and health is gpu.health:
            return gpu
        return replace(gpu, xids=xids, health=health, health_reason=reason)

    def _tell(self, gpu: GpuReading, health: GpuHealth, reason: Reason | None) -> None:
        text = f"gpu{gpu.index} is {SAID[health]}" + (f": {reason.text} — {reason.hint}" if reason else " again")
        self._events.append(EventKind.GPU, text, code=f"gpu_{health}", gpu=gpu.uuid, severity=SEVERITY[health])
