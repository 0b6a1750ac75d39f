"""One node as it was at a moment of a capsule: its last snapshot, with the readings of then laid over it. Pure.

What its history does not hold (a clock, a link's traffic, whose share of a sum it is) is unknown, never that of
another time. What was gone before the capsule was made has events and readings, and no row.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from agents.wire import History
from console.capsule.pack import NodeCapsule
from engines.base import Histogram
from profiles.desired.model import Desired
from profiles.observed.history import FIELDS, HISTOGRAMS, HistoryKind, HistorySeries
from profiles.observed.status import EngineReading, GpuProcess, GpuReading, InstanceStatus, NodeStatus, Phase

_READ = {field: field for field in FIELDS[HistoryKind.INSTANCE] if field in EngineReading.__struct_fields__} | {
    "preempted_per_s": "preemptions_per_s"
}
"""Field of history → of a reading."""

_FOREIGN = "other processes"
_HELD_BACK = "cause not kept"

Values = Mapping[str, float | None]


class Moments:
    """All moments of one node. Times are of its clock."""

    def __init__(self, node: NodeCapsule) -> None:
        self._node = node
        self._tracks = {kind: Track(pieces) for kind, pieces in node.history.items()}
        self._latencies = Track(node.latencies)

    def status_at(self, at_unix_s: float) -> NodeStatus | None:
        """None where the capsule holds no reading of the node: it, or its agent, was away."""
        last = self._node.status
        if at_unix_s >= last.at_unix_s:
            return last
        host = self._values(HistoryKind.HOST, "", at_unix_s)
        if host.get("cpu_ratio") is None and host.get("memory_used_mib") is None:
            return None
        gpus = (
            _gpu(gpu, values, at_unix_s)
            for gpu in last.gpus
            if any_known(values := self._gpu_values(gpu.uuid, at_unix_s))
        )
        instances = (self._instance(status, at_unix_s) for status in last.instances)
        now = replace(last.host, cpu_ratio=host.get("cpu_ratio"), memory_used_mib=_whole(host.get("memory_used_mib")),
                      load_1m=None, agent_cpu_ratio=None, agent_memory_mib=None)  # fmt: skip
        return replace(last, at_unix_s=at_unix_s, host=now, gpus=tuple(gpus), troubles=(), internals=(),
                       instances=tuple(one for one in instances if one))  # fmt: skip

    def desired_at(self, at_unix_s: float) -> Desired:
        """As far as its document is in the capsule, else the last."""
        documents = [one for one in self._node.documents if (one.head.at_unix_s or 0.0) <= at_unix_s]
        if not documents or at_unix_s >= self._node.status.at_unix_s:
            return self._node.desired
        one = documents[-1]
        return replace(self._node.desired, generation=one.head.generation, instances=one.instances,
                       author=one.head.author, reason=one.head.reason, at_unix_s=one.head.at_unix_s or 0.0,
                       cordons=one.cordons)  # fmt: skip

    def _values(self, kind: HistoryKind, name: str, at_unix_s: float) -> Values:
        track = self._tracks.get(kind)
        return track.values(name, at_unix_s) if track else {}

    def _gpu_values(self, uuid: str, at_unix_s: float) -> Values:
        return self._values(HistoryKind.GPU, uuid, at_unix_s)

    def _instance(self, last: InstanceStatus, at_unix_s: float) -> InstanceStatus | None:
        track = self._tracks.get(HistoryKind.INSTANCE)
        phase = track.phase(last.name, at_unix_s) if track else None
        if track is None or phase is None:
            return None
        values = track.values(last.name, at_unix_s)
        histograms = self._latencies.histograms(last.name, at_unix_s)
        reading = None
        if any(values.get(kept) is not None for kept in _READ):
            absent = last.reading.absent if last.reading else {}
            told = EngineReading(at_unix_s=at_unix_s, absent=absent)
            reading = replace(told, **{said: values.get(kept) for kept, said in _READ.items()}, **histograms)
        unchanged = phase is last.phase and last.since_unix_s <= at_unix_s
        since_unix_s = last.since_unix_s if unchanged else track.phase_since(last.name, at_unix_s)
        return replace(last, phase=phase, since_unix_s=since_unix_s, reading=reading, load=None, canary=None, misses={},
                       gateway=None, reason=last.reason if unchanged else None,
                       pid=last.pid if unchanged else None)  # fmt: skip


class Track:
    """Pieces of history, one after the other; each step is looked up by its time."""

    def __init__(self, pieces: Iterable[History]) -> None:
        self._pieces = sorted((piece for piece in pieces if piece.steps), key=lambda piece: piece.from_unix_s)
        self._starts = [piece.from_unix_s for piece in self._pieces]
        self._by_name = [{series.name: series for series in piece.series} for piece in self._pieces]

    def values(self, name: str, at_unix_s: float) -> Values:
        series, step = self._step(name, at_unix_s)
        return {field: column[step] for field, column in series.values.items()} if series else {}

    def phase(self, name: str, at_unix_s: float) -> Phase | None:
        series, step = self._step(name, at_unix_s)
        return series.phases[step] if series and series.phases else None

    def phase_since(self, name: str, at_unix_s: float) -> float:
        """Where the phase of that moment began, or the window did."""
        phase, since = self.phase(name, at_unix_s), at_unix_s
        while self._starts and since - 1.0 >= self._starts[0] and self.phase(name, since - 1.0) is phase:
            since -= 1.0
        return since

    def histograms(self, name: str, at_unix_s: float) -> dict[str, Histogram | None]:
        series, step = self._step(name, at_unix_s)
        held = series.histograms if series else {}
        return {field: held[field].at(step) for field in HISTOGRAMS if field in held}

    def _step(self, name: str, at_unix_s: float) -> tuple[HistorySeries | None, int]:
        place = bisect_right(self._starts, at_unix_s) - 1
        if place < 0:
            return None, 0
        piece = self._pieces[place]
        step = int((at_unix_s - piece.from_unix_s) // piece.step_s)
        return (self._by_name[place].get(name), step) if step < piece.steps else (None, 0)


def any_known(values: Values) -> bool:
    return any(value is not None for value in values.values())


def _gpu(last: GpuReading, values: Values, at_unix_s: float) -> GpuReading:
    held = values.get("throttled_ratio")
    known = GpuReading(uuid=last.uuid, index=last.index, name=last.name)  # all that is not said below is unknown
    return replace(
        known, memory_total_mib=last.memory_total_mib, memory_reserved_mib=last.memory_reserved_mib,
        power_limit_w=last.power_limit_w, absent=last.absent, claims=last.claims, mig=last.mig,
        mig_devices=last.mig_devices, timeslice=last.timeslice, throttled_ratio={_HELD_BACK: held} if held else {},
        xids=tuple(one for one in last.xids if one.at_unix_s <= at_unix_s),
        busy_ratio=values.get("busy_ratio"), memory_used_mib=_whole(values.get("memory_used_mib")),
        power_w=values.get("power_w"), temperature_c=values.get("temperature_c"),
        energy_mj=_whole(values.get("energy_mj")), sm_active_ratio=values.get("sm_active_ratio"),
        switching_ratio=values.get("switching_ratio"), processes=_processes(last.processes, values),
    )  # fmt: skip


def _processes(last: Sequence[GpuProcess], values: Values) -> tuple[GpuProcess, ...]:
    """History keeps sums of ours and of others: a sum is given to whom alone it can belong."""
    ours = [one for one in last if one.instance is not None]
    foreign = [one for one in last if one.instance is None] or [GpuProcess(pid=0, name=_FOREIGN)]
    return (*_shares(ours, "ours", values), *_shares(foreign, "foreign", values))


def _shares(held: Sequence[GpuProcess], whose: str, values: Values) -> list[GpuProcess]:
    memory, busy = values.get(f"{whose}_memory_mib"), values.get(f"{whose}_busy_ratio")
    if not memory and not busy:
        return []  # nobody, or nobody known
    alone = len(held) == 1
    return [replace(one, memory_mib=_whole(memory) if alone else None, busy_ratio=busy if alone else None)
            for one in held]  # fmt: skip


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
