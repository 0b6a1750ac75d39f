"""What nodes say of themselves, their GPUs and instances, as Prometheus metrics. Pure; docs/metrics.md lists them.

    NodeMetrics, a node each ──page──► text

A node that is not up has its `up` of 0 and nothing else: an old sample looks like a new one to whoever scrapes.
Names are in base units (seconds, bytes, watts, joules, ratios of 0–1). Rates are the node's own, of its last two
scrapes of the engine; the counters that they come from start anew with each engine and stay on the node.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engines.base import Histogram
from profiles.desired.model import Desired
from profiles.latency.slo import quantile
from profiles.money.money import MICRO
from profiles.observed.status import GpuReading, GpuState, HostReading, InstanceStatus, NodeStatus, Phase
from profiles.watching.exposition import Family, MetricKind, Series

MIB = 1 << 20
QUANTILES = ("0.5", "0.95", "0.99")
_GAUGE, _COUNTER = MetricKind.GAUGE, MetricKind.COUNTER


class NodeMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One node as whoever exports it sees it. `status` None, or `is_up` False: nothing of it is told."""

    node: str
    site: str = ""
    is_up: bool
    status: NodeStatus | None = None
    owners: Mapping[str, str] = {}
    """Instance → who answers for it."""
    microusd_h: Mapping[str, int | None] = {}
    """Instance → what it costs; who knows no prices leaves it out."""


_NODE = (
    Family("gpuyard_node_up", _GAUGE, "Whether the node answers; one that does not has no other metric"),
    Family("gpuyard_node_info", _GAUGE, "1; its labels say the agent's version and where GPU readings come from"),
    Family("gpuyard_node_cpu_ratio", _GAUGE, "Busy share of all cores"),
    Family("gpuyard_node_memory_bytes", _GAUGE, "Memory of the host"),
    Family("gpuyard_node_memory_used_bytes", _GAUGE, "Memory of the host in use"),
    Family("gpuyard_node_load1", _GAUGE, "Load average of one minute"),
    Family("gpuyard_node_troubles", _GAUGE, "How many things are wrong with the node itself"),
    Family("gpuyard_agent_cpu_ratio", _GAUGE, "What the agent and its GPU reader take of one core"),
    Family("gpuyard_agent_memory_bytes", _GAUGE, "Memory of the agent and its GPU reader"),
)
_GPU = (
    Family("gpuyard_gpu_up", _GAUGE, "Whether the GPU is read; one that is not has no other metric"),
    Family("gpuyard_gpu_busy_ratio", _GAUGE, "Share of the last second in which any kernel ran"),
    Family("gpuyard_gpu_sm_active_ratio", _GAUGE, "Share of the SMs that had work (Hopper and later)"),
    Family("gpuyard_gpu_memory_bytes", _GAUGE, "Memory of the GPU"),
    Family("gpuyard_gpu_memory_used_bytes", _GAUGE, "Memory of the GPU in use, by whomever"),
    Family("gpuyard_gpu_power_watts", _GAUGE, "Power that it draws"),
    Family("gpuyard_gpu_power_limit_watts", _GAUGE, "Power that it may draw"),
    Family("gpuyard_gpu_temperature_celsius", _GAUGE, "Temperature of the GPU"),
    Family("gpuyard_gpu_energy_joules_total", _COUNTER, "Energy since its driver was loaded"),
    Family("gpuyard_gpu_throttled_ratio", _GAUGE, "Share of the last second in which its clocks were held back"),
    Family("gpuyard_gpu_xid_errors_total", _COUNTER, "XID errors since its last reset"),
    Family("gpuyard_gpu_ecc_uncorrected_errors_total", _COUNTER, "Uncorrected memory errors since the driver's load"),
)
_INSTANCE = (
    Family("gpuyard_instance_phase", _GAUGE, "1 for the phase that the instance is in"),
    Family("gpuyard_instance_ready", _GAUGE, "Whether it is ready"),
    Family("gpuyard_instance_restarts", _GAUGE, "Restarts that count toward its limit"),
    Family("gpuyard_instance_requests_running", _GAUGE, "Requests in its batch"),
    Family("gpuyard_instance_requests_waiting", _GAUGE, "Requests in its queue"),
    Family("gpuyard_instance_kv_cache_usage_ratio", _GAUGE, "Share of its KV cache in use"),
    Family("gpuyard_instance_requests_per_second", _GAUGE, "Requests that ended"),
    Family("gpuyard_instance_failed_requests_per_second", _GAUGE, "Requests that failed"),
    Family("gpuyard_instance_prompt_tokens_per_second", _GAUGE, "Tokens read"),
    Family("gpuyard_instance_generation_tokens_per_second", _GAUGE, "Tokens made"),
    Family("gpuyard_instance_preemptions_per_second", _GAUGE, "Requests pushed out of its KV cache"),
    Family("gpuyard_instance_ttft_seconds", _GAUGE, "Time to the first token: between bound low and high"),
    Family("gpuyard_instance_itl_seconds", _GAUGE, "Time between tokens: between bound low and high"),
    Family("gpuyard_instance_e2e_seconds", _GAUGE, "Time of a whole request: between bound low and high"),
    Family("gpuyard_instance_cost_dollars_per_hour", _GAUGE, "Its share of the price of its GPUs"),
)
FAMILIES = (*_NODE, *_GPU, *_INSTANCE)


def node_page(status: NodeStatus, desired: Desired) -> str:
    """Of one node as it tells itself, without money: it knows no prices."""
    owners = {name: owned.owner for name, owned in desired.instances.items()}
    return page([NodeMetrics(node=status.hostname, is_up=True, status=status, owners=owners)])


def page(nodes: Iterable[NodeMetrics]) -> str:
    """All of them on one page."""
    series = Series(FAMILIES)
    for one in nodes:
        labels = {"node": one.node, "site": one.site}
        up = one.is_up and one.status is not None
        series.put("gpuyard_node_up", labels, up)
        if up and one.status is not None:
            _node(series, {"node": one.node}, one.status)
            for gpu in one.status.gpus:
                _gpu(series, {"node": one.node, "gpu": str(gpu.index), "uuid": gpu.uuid}, gpu)
            for instance in one.status.instances:
                _instance(series, _instance_labels(one, instance), instance, one.microusd_h.get(instance.name))
    return series.page()


def _node(series: Series, labels: Mapping[str, str], status: NodeStatus) -> None:
    source = {"version": status.agent_version, "gpu_source": str(status.gpu_source.kind)}
    series.put("gpuyard_node_info", {**labels, **source}, 1)
    host: HostReading = status.host
    series.put("gpuyard_node_cpu_ratio", labels, host.cpu_ratio)
    series.put("gpuyard_node_memory_bytes", labels, _bytes(host.memory_total_mib))
    series.put("gpuyard_node_memory_used_bytes", labels, _bytes(host.memory_used_mib))
    series.put("gpuyard_node_load1", labels, host.load_1m)
    series.put("gpuyard_node_troubles", labels, len(status.troubles))
    series.put("gpuyard_agent_cpu_ratio", labels, host.agent_cpu_ratio)
    series.put("gpuyard_agent_memory_bytes", labels, _bytes(host.agent_memory_mib))


def _gpu(series: Series, labels: Mapping[str, str], gpu: GpuReading) -> None:
    series.put("gpuyard_gpu_up", labels, gpu.state is GpuState.OK)
    if gpu.state is not GpuState.OK:
        return
    series.put("gpuyard_gpu_busy_ratio", labels, gpu.busy_ratio)
    series.put("gpuyard_gpu_sm_active_ratio", labels, gpu.sm_active_ratio)
    series.put("gpuyard_gpu_memory_bytes", labels, _bytes(gpu.memory_total_mib))
    series.put("gpuyard_gpu_memory_used_bytes", labels, _bytes(gpu.memory_used_mib))
    series.put("gpuyard_gpu_power_watts", labels, gpu.power_w)
    series.put("gpuyard_gpu_power_limit_watts", labels, gpu.power_limit_w)
    series.put("gpuyard_gpu_temperature_celsius", labels, gpu.temperature_c)
    series.put("gpuyard_gpu_energy_joules_total", labels, None if gpu.energy_mj is None else gpu.energy_mj / 1000)
    for reason, ratio in gpu.throttled_ratio.items():
        series.put("gpuyard_gpu_throttled_ratio", {**labels, "reason": reason}, ratio)
    for xid in gpu.xids:
        series.put("gpuyard_gpu_xid_errors_total", {**labels, "xid": str(xid.number)}, xid.count)
    errors = gpu.errors.ecc_uncorrected if gpu.errors else None
    series.put("gpuyard_gpu_ecc_uncorrected_errors_total", labels, errors)


def _instance_labels(one: NodeMetrics, instance: InstanceStatus) -> dict[str, str]:
    return {
        "node": one.node,
        "instance": instance.name,
        "service": instance.name.rpartition("/")[0],
        "profile": instance.profile,
        "owner": one.owners.get(instance.name, ""),
    }


def _instance(series: Series, labels: Mapping[str, str], instance: InstanceStatus, microusd_h: int | None) -> None:
    series.put("gpuyard_instance_phase", {**labels, "phase": str(instance.phase)}, 1)
    series.put("gpuyard_instance_ready", labels, instance.phase is Phase.READY)
    series.put("gpuyard_instance_restarts", labels, instance.restarts)
    dollars = None if microusd_h is None else microusd_h / MICRO
    series.put("gpuyard_instance_cost_dollars_per_hour", labels, dollars)
    reading = instance.reading
    if reading is None:
        return
    series.put("gpuyard_instance_requests_running", labels, reading.running)
    series.put("gpuyard_instance_requests_waiting", labels, reading.waiting)
    series.put("gpuyard_instance_kv_cache_usage_ratio", labels, reading.kv_usage_ratio)
    series.put("gpuyard_instance_requests_per_second", labels, reading.requests_per_s)
    series.put("gpuyard_instance_failed_requests_per_second", labels, reading.failed_per_s)
    series.put("gpuyard_instance_prompt_tokens_per_second", labels, reading.prompt_tok_s)
    series.put("gpuyard_instance_generation_tokens_per_second", labels, reading.generation_tok_s)
    series.put("gpuyard_instance_preemptions_per_second", labels, reading.preemptions_per_s)
    _quantiles(series, "gpuyard_instance_ttft_seconds", labels, reading.ttft)
    _quantiles(series, "gpuyard_instance_itl_seconds", labels, reading.itl)
    _quantiles(series, "gpuyard_instance_e2e_seconds", labels, reading.e2e)


def _quantiles(series: Series, name: str, labels: Mapping[str, str], told: Histogram | None) -> None:
    """A bucket may be wide: both its ends are told, which are one number where it is narrow."""
    for q in QUANTILES if told else ():
        if told and (found := quantile(told, float(q))):
            series.put(name, {**labels, "quantile": q, "bound": "low"}, found.low_s)
            series.put(name, {**labels, "quantile": q, "bound": "high"}, found.high_s)


def _bytes(mib: float | None) -> float | None:
    return None if mib is None else mib * MIB
