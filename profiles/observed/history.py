"""What a node remembers of its readings: which fields, and how many of them become one. Pure.

Field by field, a longer step keeps of the shorter ones the MEAN of rates and shares, the MAX of what hurts at its
peak (memory, temperature, queue, KV cache), and the LAST of counters and phases. A step without a reading is None:
a gap is never filled. Histograms hold what was observed within the step, so those of neighbours add up, and any
window's quantile can be taken later (profiles.latency.slo).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from engines.base import Histogram
from profiles.latency.slo import estimate, merge
from profiles.observed.gpus import NORMAL_AT_FULL_LOAD
from profiles.observed.status import GpuProcess, GpuReading, GpuState, HostReading, InstanceStatus, NodeStatus, Phase

OLD_AFTER_S = 6.0
"""An engine's reading of before is not what it does now: three scrapes were missed."""

DIGITS = 4
NAN = math.nan


class HistoryKind(StrEnum):
    HOST = "host"
    GPU = "gpu"
    INSTANCE = "instance"


class How(StrEnum):
    """What is kept of several values."""

    MEAN = "mean"
    MAX = "max"
    LAST = "last"


FIELDS: Mapping[HistoryKind, Mapping[str, How]] = {
    HistoryKind.HOST: {"cpu_ratio": How.MEAN, "memory_used_mib": How.MAX},
    HistoryKind.GPU: {
        "busy_ratio": How.MEAN, "memory_used_mib": How.MAX, "power_w": How.MEAN, "temperature_c": How.MAX,
        "energy_mj": How.LAST, "ours_memory_mib": How.MAX, "foreign_memory_mib": How.MAX, "ours_busy_ratio": How.MEAN,
        "foreign_busy_ratio": How.MEAN, "sm_active_ratio": How.MEAN, "throttled_ratio": How.MEAN,
        "switching_ratio": How.MEAN,
    },
    HistoryKind.INSTANCE: {
        "running": How.MEAN, "waiting": How.MAX, "kv_usage_ratio": How.MAX, "requests_per_s": How.MEAN,
        "failed_per_s": How.MEAN, "prompt_tok_s": How.MEAN, "generation_tok_s": How.MEAN, "phase": How.LAST,
        "busy_ratio": How.MEAN, "preempted_per_s": How.MEAN, "ttft_p95_s": How.MAX, "itl_p95_s": How.MAX,
    },
}  # fmt: skip
"""Kind → field → how it is kept. Files on nodes hold them in this order: append, never move."""

HISTOGRAMS = ("ttft", "itl", "e2e")
PHASE = "phase"
PHASES = tuple(Phase)
PHASE_AT = list(FIELDS[HistoryKind.INSTANCE]).index(PHASE)
"""Within one process a phase is its place in here; on disk and on the wire it is its name."""

Name = tuple[HistoryKind, str]
"""A series: the host (""), a GPU by its uuid, an instance by its name."""


class HistogramSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Cumulative counts, one row a step, all with the same bounds; None where nothing was scraped."""

    bounds_s: tuple[float, ...]
    counts: tuple[tuple[float, ...] | None, ...]
    sum_s: tuple[float, ...]

    def at(self, step: int) -> Histogram | None:
        """What was observed in one step."""
        counts = self.counts[step]
        return None if counts is None else Histogram(self.bounds_s, counts, self.sum_s[step])


class HistorySeries(msgspec.Struct, frozen=True, kw_only=True):
    """One host, GPU or instance; every column has a value for each step."""

    name: str
    values: dict[str, tuple[float | None, ...]] = {}
    phases: tuple[Phase | None, ...] = ()
    histograms: dict[str, HistogramSeries] = {}


def rolling(series: HistogramSeries, steps: int) -> list[Histogram | None]:
    """What was observed in each step and the `steps` - 1 before it; None where nothing was scraped in all of them."""
    found = [series.at(step) for step in range(len(series.counts))]
    return [merge(one for one in found[max(0, end - steps + 1) : end + 1] if one) for end in range(len(found))]


def observed(status: NodeStatus) -> Iterator[tuple[Name, list[float]]]:
    """The fields of every series now, in the order of FIELDS; NaN is unknown. What is old or lost is left out."""
    yield (HistoryKind.HOST, ""), _host(status.host)
    for gpu in status.gpus:
        if gpu.state is GpuState.OK:
            yield (HistoryKind.GPU, gpu.uuid), gpu_values(gpu)
    for instance in status.instances:
        yield (HistoryKind.INSTANCE, instance.name), instance_values(instance, status.gpus, status.at_unix_s)


def kept(how: How, values: Iterable[float]) -> float:
    """One value for several, oldest first; NaN where all are."""
    known = [value for value in values if value == value]
    if not known:
        return NAN
    match how:
        case How.MEAN:
            return round(sum(known) / len(known), DIGITS)
        case How.MAX:
            return max(known)
        case How.LAST:
            return known[-1]


def _host(host: HostReading) -> list[float]:
    return [_number(host.cpu_ratio), _number(host.memory_used_mib)]


def gpu_values(gpu: GpuReading) -> list[float]:
    """In the order of FIELDS; NaN is unknown."""
    ours = [held for held in gpu.processes if held.instance is not None]
    foreign = [held for held in gpu.processes if held.instance is None]
    hidden = "processes" in gpu.absent
    return [
        _number(gpu.busy_ratio), _number(gpu.memory_used_mib), _number(gpu.power_w), _number(gpu.temperature_c),
        _number(gpu.energy_mj), _memory(ours, hidden), _memory(foreign, hidden), _busy(ours, hidden),
        _busy(foreign, hidden), _number(gpu.sm_active_ratio), _throttled(gpu), _number(gpu.switching_ratio),
    ]  # fmt: skip


def instance_values(status: InstanceStatus, gpus: Iterable[GpuReading], now_unix_s: float) -> list[float]:
    """In the order of FIELDS; NaN is unknown. `now_unix_s` is of the node's clock, as its reading's time is."""
    said = status.reading
    if said is not None and abs(now_unix_s - said.at_unix_s) > OLD_AFTER_S:
        said = None
    values = [NAN] * 7 if said is None else [
        _number(said.running), _number(said.waiting), _number(said.kv_usage_ratio), _number(said.requests_per_s),
        _number(said.failed_per_s), _number(said.prompt_tok_s), _number(said.generation_tok_s),
    ]  # fmt: skip
    late = [NAN] * 3 if said is None else [_number(said.preemptions_per_s), _p95(said.ttft), _p95(said.itl)]
    return [*values, float(PHASES.index(status.phase)), _busy_of(status, gpus), *late]


def _busy_of(status: InstanceStatus, gpus: Iterable[GpuReading]) -> float:
    """What its own processes have of its GPUs, the mean over them; unknown where one of them does not tell it."""
    uuids = {one.gpu_uuid for one in status.slices}
    shares = []
    for gpu in gpus:
        if gpu.uuid in uuids:
            own = [held for held in gpu.processes if held.instance == status.name]
            shares.append(_busy(own, gpu.state is not GpuState.OK or "processes" in gpu.absent))
    return round(sum(shares) / len(shares), DIGITS) if shares else NAN


def _p95(observed: Histogram | None) -> float:
    return _number(estimate(observed, 0.95) if observed else None)


def _number(value: float | None) -> float:
    return NAN if value is None else round(float(value), DIGITS)


def _throttled(gpu: GpuReading) -> float:
    """Of the reason that held it back longest, and that is not simply hard work; NaN where it tells no times."""
    if "throttled_ratio" in gpu.absent or gpu.sm_clock_mhz is None:
        return NAN
    return max((ratio for why, ratio in gpu.throttled_ratio.items() if why not in NORMAL_AT_FULL_LOAD), default=0.0)


def _memory(held: list[GpuProcess], hidden: bool) -> float:
    return _sum((one.memory_mib for one in held), hidden)


def _busy(held: list[GpuProcess], hidden: bool) -> float:
    return _sum((one.busy_ratio for one in held), hidden)


def _sum(values: Iterable[float | None], hidden: bool) -> float:
    """Unknown where one of them is: a sum of a part would be a lie."""
    total = 0.0
    for value in values:
        if value is None:
            return NAN
        total += value
    return NAN if hidden else round(total, DIGITS)
