"""What nodes told of a subject and its neighbours, brought onto one axis for a verdict. No I/O.

History of host, GPUs, instances ─┐
events, readings, processes of now ┴─► evidence_of ──► Evidence ──► profiles.explain
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from agents.wire import History
from console.store import NodeState, NodeView
from profiles.desired.model import InstanceSpec
from profiles.explain.evidence import Axis, Evidence, Happened, Happening, Tenant, Track
from profiles.observed.finding import Severity
from profiles.observed.gpuhealth import SAID
from profiles.observed.gpus import GpuHealth
from profiles.observed.history import HistoryKind, HistorySeries
from profiles.observed.processes import ProcessKind
from profiles.observed.status import EngineReading, Event, EventKind, GpuProcess, GpuReading, InstanceStatus, Phase
from profiles.observed.xids import meaning

T = TypeVar("T")

SLOW_LINK_S = 1.0
MOST_RUNNING = ("max_num_seqs", "max_running_requests", "max_batch_size", "parallel")
"""How vLLM, SGLang, TensorRT-LLM and llama.cpp call what they take into one batch."""

_LOST = {NodeState.UNREACHABLE: Happened.NODE_LOST, NodeState.STALE: Happened.NODE_STALE}
_FAILING = {GpuHealth.LOST: Happened.GPU_LOST, GpuHealth.STALLED: Happened.GPU_LOST, GpuHealth.DEGRADED: Happened.ECC}


class Told(NamedTuple):
    """The past of one node; a kind that nobody told is left out. `now_unix_s` is of the node's clock."""

    axis: Axis
    now_unix_s: float
    series: Mapping[tuple[HistoryKind, str], HistorySeries]


def told(axis: Axis, now_unix_s: float, answers: Mapping[HistoryKind, Sequence[History]]) -> Told:
    """Answers in pieces, each begun where the one before ended, of any number of steps, on the axis."""
    found: dict[tuple[HistoryKind, str], HistorySeries] = {}
    for kind, pieces in answers.items():
        names = {series.name for piece in pieces for series in piece.series}
        for name in names:
            found[kind, name] = _joined(axis, name, pieces)
    return Told(axis, now_unix_s, found)


def _joined(axis: Axis, name: str, pieces: Sequence[History]) -> HistorySeries:
    values: dict[str, list[float | None]] = {}
    phases: list[Phase | None] = [None] * axis.steps
    for piece in pieces:
        series = next((one for one in piece.series if one.name == name), None)
        begin = axis.step(piece.from_unix_s + axis.step_s / 2)
        for field, track in series.values.items() if series else ():
            _lay(values.setdefault(field, [None] * axis.steps), begin, track)
        _lay(phases, begin, series.phases if series else ())
    laid = {field: tuple(track) for field, track in values.items()}
    return HistorySeries(name=name, values=laid, phases=tuple(phases))


def _lay(onto: list[T], begin: int, track: Sequence[T]) -> None:
    for at, value in enumerate(track, begin):
        if 0 <= at < len(onto):
            onto[at] = value


def evidence_of_instance(view: NodeView, name: str, told: Told) -> Evidence:
    status, owned = view.instances[name], view.desired.instances.get(name)
    gpus = [view.gpus[one.gpu_uuid] for one in status.slices if one.gpu_uuid in view.gpus]
    spec = owned.spec if owned else None
    own = told.series.get((HistoryKind.INSTANCE, name))
    return Evidence(
        subject=name, axis=told.axis, own=own.values if own else {}, gpu=_worst_gpu(gpus, told), host=_host(told),
        tenants=tuple(_tenants(view, gpus, name, told)), happened=tuple(_happened(view, gpus, name, told)),
        phases=(*own.phases[:-1], status.phase) if own else (status.phase,),
        targets_s=_targets_s(spec), bounds_s=_bounds_s(status.reading), max_running=_most_running(spec),
        throttle=", ".join(reason.replace("_", " ") for gpu in gpus for reason in gpu.throttle),
        blind=next((gpu.absent["process_busy_ratio"] for gpu in gpus if "process_busy_ratio" in gpu.absent), ""),
    )  # fmt: skip


def evidence_of_gpu(view: NodeView, gpu: GpuReading, told: Told) -> Evidence:
    """Of one without an instance: whether it fails, and what was left on it."""
    return Evidence(
        subject=f"{view.name}/{gpu.index}", axis=told.axis, gpu=_worst_gpu([gpu], told), host=_host(told),
        tenants=tuple(_tenants(view, [gpu], "", told)), happened=tuple(_happened(view, [gpu], "", told)),
    )  # fmt: skip


def _host(told: Told) -> Mapping[str, Track]:
    host = told.series.get((HistoryKind.HOST, ""))
    return host.values if host else {}


def _worst_gpu(gpus: Sequence[GpuReading], told: Told) -> Mapping[str, Track]:
    """Ranks of one engine go as fast as the slowest: of each step the highest value of its GPUs."""
    series = [one for gpu in gpus if (one := told.series.get((HistoryKind.GPU, gpu.uuid)))]
    fields = {field for one in series for field in one.values}
    return {
        field: tuple(
            max((value for value in values if value is not None), default=None)
            for values in zip(*(one.values[field] for one in series if field in one.values), strict=True)
        )
        for field in fields
    }


def _tenants(view: NodeView, gpus: Sequence[GpuReading], subject: str, told: Told) -> Iterator[Tenant]:
    uuids, indices = {gpu.uuid for gpu in gpus}, {gpu.index for gpu in gpus}
    for name, status in view.instances.items():
        if name != subject and any(one.gpu_uuid in uuids for one in status.slices):
            yield _ours(view, status, gpus, told)
    for gpu in gpus:
        yield from _foreign(view, gpu, told)
    for one in view.processes.values():
        if one.kind is ProcessKind.ORPHAN and indices & set(one.gpus):
            held = (float(one.memory_mib),) if one.memory_mib is not None else ()
            since = None if one.age_s is None else told.now_unix_s - one.age_s
            yield Tenant(name=f"{one.name or 'process'} {one.pid}", owner=one.instance or one.user, foreign=False,
                         pid=one.pid, memory_mib=held, since_unix_s=since, orphan=True)  # fmt: skip


def _ours(view: NodeView, status: InstanceStatus, gpus: Sequence[GpuReading], told: Told) -> Tenant:
    series = told.series.get((HistoryKind.INSTANCE, status.name))
    owned = view.desired.instances.get(status.name)
    seen = _worst_gpu(gpus, told).get("busy_ratio", ())
    busy = series.values.get("busy_ratio", ()) if series else ()
    phases = series.phases if series else ()
    absent = (None, Phase.PENDING, Phase.STOPPED)
    known = tuple(
        0.0 if value is None and phase in absent and there is not None else value
        for value, phase, there in zip(busy, phases, seen, strict=False)
    )
    return Tenant(name=status.name, owner=(owned.owner if owned else "") or status.profile, foreign=False, busy=known)


def _foreign(view: NodeView, gpu: GpuReading, told: Told) -> Iterator[Tenant]:
    """Nodes remember what strangers do together; who they are is of now."""
    parts = [_stranger(view, one, told) for one in gpu.processes if one.instance is None]
    if not parts:
        return
    series = told.series.get((HistoryKind.GPU, gpu.uuid))
    values = series.values if series else {}
    yield replace(
        parts[0], busy=values.get("foreign_busy_ratio", ()), memory_mib=values.get("foreign_memory_mib", ()),
        parts=tuple(parts) if len(parts) > 1 else (),
    )  # fmt: skip


def _stranger(view: NodeView, one: GpuProcess, told: Told) -> Tenant:
    listed = next((found for found in view.processes.values() if found.pid == one.pid), None)
    since = told.now_unix_s - listed.age_s if listed and listed.age_s is not None else None
    held = None if one.memory_mib is None else float(one.memory_mib)
    return Tenant(name=f"{one.name or 'unknown'} {one.pid}", owner=one.user, foreign=True, pid=one.pid,
                  busy=(one.busy_ratio,), memory_mib=(held,), since_unix_s=since)  # fmt: skip


def _happened(view: NodeView, gpus: Sequence[GpuReading], subject: str, told: Told) -> Iterator[Happening]:
    begin = told.axis.from_unix_s
    for gpu in gpus:
        for xid in gpu.xids:
            known = meaning(xid.number)
            if xid.at_unix_s >= begin and known.severity is not Severity.INFO:
                yield Happening(at_unix_s=xid.at_unix_s, kind=Happened.XID, about=f"{view.name}/{gpu.index}",
                                text=f"XID {xid.number}: {known.text}")  # fmt: skip
        if gpu.health in _FAILING:
            why = gpu.health_reason.text if gpu.health_reason else SAID[gpu.health]
            yield Happening(at_unix_s=_since(view, gpu, told), kind=_FAILING[gpu.health],
                            about=f"{view.name}/{gpu.index}", text=why)  # fmt: skip
    for event in view.events:
        began = bool(subject) and f"+ {subject}" in event.text  # it is there by this, and was no other before
        if event.kind is EventKind.DESIRED and not event.code and event.at_unix_s >= begin and not began:
            yield _edit(event, subject)
    if view.state in _LOST:
        yield Happening(at_unix_s=told.now_unix_s, kind=_LOST[view.state], about=view.name,
                        text=view.why.text if view.why else f"the node is {view.state}")  # fmt: skip
    elif view.round_trip_s is not None and view.round_trip_s >= SLOW_LINK_S:
        yield Happening(at_unix_s=told.now_unix_s, kind=Happened.SLOW_LINK, about=view.name,
                        text=f"an answer of {view.name} takes {view.round_trip_s:.1f} s")  # fmt: skip


def _since(view: NodeView, gpu: GpuReading, told: Told) -> float:
    """When it was told that it fails; else when it was last read."""
    codes = {f"gpu_{health}" for health in _FAILING}
    at = [one.at_unix_s for one in view.events if one.gpu == gpu.uuid and one.code in codes]
    return at[-1] if at else gpu.seen_unix_s or told.now_unix_s


def _edit(event: Event, subject: str) -> Happening:
    _, _, text = event.text.partition(": ")
    return Happening(at_unix_s=event.at_unix_s, kind=Happened.EDIT, text=text or event.text, by=event.author,
                     about=subject if subject and subject in event.text else "another")  # fmt: skip


def _targets_s(spec: InstanceSpec | None) -> Mapping[str, float]:
    """What is promised of p95, by the track that tells it."""
    latency = spec.slo.latency if spec else ()
    return {f"{one.name}_s": one.target_s for one in latency if one.name in ("ttft_p95", "itl_p95")}


def _bounds_s(reading: EngineReading | None) -> Mapping[str, tuple[float, ...]]:
    """As the engine counts now."""
    counted = {"ttft_p95_s": reading.ttft, "itl_p95_s": reading.itl} if reading else {}
    return {track: one.bounds_s for track, one in counted.items() if one is not None}


def _most_running(spec: InstanceSpec | None) -> float | None:
    options = spec.options if spec else {}
    return next((float(value) for name in MOST_RUNNING if isinstance(value := options.get(name), int)), None)
