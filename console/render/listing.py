"""Rows of nodes, GPUs and instances: what the store has → cells."""

from console.render.figures import bar, latency, said
from console.render.table import Cell, Column, Row, Tone
from console.render.text import UNKNOWN, age, gib, number, percent
from console.store import Key, NodeState, NodeView, Store
from profiles.status import HAS_PROCESS, PROBLEM, GpuReading, GpuState, InstanceStatus, Phase

NODE_COLUMNS = (
    Column("state", "State", 13, priority=1),
    Column("node", "Node", 12, priority=1),
    Column("site", "Site", 6, priority=6),
    Column("gpus", "GPUs", 4, right=True, priority=2),
    Column("busy", "Busy %", 6, right=True, priority=2),
    Column("used", "Used GiB", 8, right=True, priority=3),
    Column("total", "of GiB", 7, right=True, priority=4),
    Column("power", "Power W", 7, right=True, priority=4),
    Column("ready", "Ready", 7, right=True, priority=2),
    Column("agent", "Agent %", 7, right=True, priority=7),
    Column("trip", "Trip ms", 7, right=True, priority=7),
    Column("why", "What is wrong", 30, priority=1, grow=True),
)
GPU_COLUMNS = (
    Column("state", "State", 11, priority=1),
    Column("node", "Node", 14, priority=1),
    Column("gpu", "GPU", 3, right=True, priority=1),
    Column("name", "Model", 16, priority=7),
    Column("busy", "Busy %", 6, right=True, priority=1),
    Column("load", "0–100", 10, priority=6),
    Column("used", "Used GiB", 8, right=True, priority=2),
    Column("total", "of GiB", 6, right=True, priority=3),
    Column("power", "Power W", 7, right=True, priority=4),
    Column("temperature", "°C", 4, right=True, priority=5),
    Column("tenants", "Tenants", 14, priority=2, grow=True),
)
INSTANCE_COLUMNS = (
    Column("phase", "Phase", 10, priority=1),
    Column("instance", "Instance", 16, priority=1),
    Column("where", "Where", 14, priority=3),
    Column("engine", "Engine", 9, priority=7),
    Column("requests", "Req/s", 6, right=True, priority=2),
    Column("tokens", "Tok/s", 7, right=True, priority=4),
    Column("ttft", "TTFT p95", 10, right=True, priority=2),
    Column("itl", "ITL p95", 9, right=True, priority=5),
    Column("running", "Run", 4, right=True, priority=5),
    Column("queue", "Queue", 5, right=True, priority=3),
    Column("kv", "KV %", 4, right=True, priority=4),
    Column("since", "Since", 8, right=True, priority=6),
    Column("why", "What is wrong", 22, priority=3, grow=True),
)
_NODE_SIGN = {
    NodeState.REFUSED: ("× refused", Tone.BAD),
    NodeState.UNREACHABLE: ("× unreachable", Tone.BAD),
    NodeState.STALE: ("~ stale", Tone.WARN),
    NodeState.CONNECTING: ("… connecting", Tone.DIM),
    NodeState.UP: ("  up", Tone.PLAIN),
}
_PHASE_ORDER = (
    Phase.LOST, Phase.FAILED, Phase.STALLED, Phase.BACKOFF, Phase.DEGRADED, Phase.PENDING, Phase.STARTING,
    Phase.LOADING, Phase.STOPPING, Phase.DRAINING, Phase.READY, Phase.SLEEPING, Phase.STOPPED,
)  # fmt: skip
_PHASE_SIGN = {Phase.LOST: "×", Phase.FAILED: "×", Phase.STALLED: "?", Phase.BACKOFF: "!", Phase.DEGRADED: "!"}


def node_row(store: Store, key: Key) -> Row | None:
    """`key` names a node."""
    view = store.nodes.get(key.node)
    if view is None:
        return None
    text, tone = _NODE_SIGN[view.state]
    gpus = list(view.gpus.values())
    used, total, power = (_sum([getattr(gpu, field) for gpu in gpus])
                          for field in ("memory_used_mib", "memory_total_mib", "power_w"))  # fmt: skip
    busy = [gpu.busy_ratio for gpu in gpus if gpu.busy_ratio is not None]
    mean = sum(busy) / len(busy) if busy else None
    ready = sum(status.phase is Phase.READY for status in view.instances.values())
    cost = view.status.host.agent_cpu_ratio if view.status else None
    trip_ms = None if view.round_trip_s is None else 1000 * view.round_trip_s
    seen = view.status is not None
    cells = (
        Cell(text, float(list(_NODE_SIGN).index(view.state)), tone),
        Cell(view.name, view.name),
        Cell(view.site, view.site or None, Tone.DIM),
        Cell(str(len(gpus)) if seen else UNKNOWN, float(len(gpus)) if seen else None),
        Cell(percent(mean).rstrip("%"), mean),
        Cell(gib(used), used),
        Cell(gib(total), total, Tone.DIM),
        Cell(number(power), power),
        Cell(f"{ready}/{len(view.instances)}" if seen else UNKNOWN, float(ready)),
        Cell(UNKNOWN if cost is None else f"{100 * cost:.1f}", cost, Tone.DIM),
        Cell(UNKNOWN if trip_ms is None else f"{trip_ms:.1f}", trip_ms, Tone.DIM),
        Cell(_node_why(store, view), tone=tone),
    )
    return Row(key, cells, dim=view.state is not NodeState.UP)


def gpu_row(store: Store, key: Key) -> Row | None:
    """`key` names a GPU by its uuid."""
    view = store.nodes.get(key.node)
    gpu = view.gpus.get(key.name) if view else None
    if view is None or gpu is None:
        return None
    dim = view.state is not NodeState.UP or gpu.state is not GpuState.OK
    cells = (
        _gpu_state(view, gpu),
        Cell(view.name, view.name),
        Cell(str(gpu.index), float(gpu.index)),
        Cell(gpu.name.removeprefix("NVIDIA "), gpu.name, Tone.DIM),
        said(_hundred(gpu.busy_ratio), "busy_ratio", gpu.absent),
        Cell(bar(gpu.busy_ratio, 10), gpu.busy_ratio, Tone.DIM),
        Cell(gib(gpu.memory_used_mib), gpu.memory_used_mib),
        Cell(gib(gpu.memory_total_mib), gpu.memory_total_mib, Tone.DIM),
        said(gpu.power_w, "power_w", gpu.absent),
        said(gpu.temperature_c, "temperature_c", gpu.absent),
        _tenants(gpu),
    )
    return Row(key, cells, dim=dim)


def instance_row(store: Store, key: Key) -> Row | None:
    """`key` names an instance."""
    view = store.nodes.get(key.node)
    status = view.instances.get(key.name) if view else None
    if view is None or status is None:
        return None
    said_ = status.reading
    absent = said_.absent if said_ else {}
    since_s = store.wall() + view.clock_skew_s - status.since_unix_s
    cells = (
        phase_cell(status),
        Cell(status.name, status.name),
        Cell(where(status, view.name), view.name),
        Cell(status.engine, status.engine, Tone.DIM),
        said(said_.requests_per_s if said_ else None, "requests_per_s", absent, 1),
        said(said_.generation_tok_s if said_ else None, "generation_tok_s", absent),
        latency(said_.ttft if said_ else None, 0.95, "ttft", absent),
        latency(said_.itl if said_ else None, 0.95, "itl", absent),
        said(said_.running if said_ else None, "running", absent),
        said(said_.waiting if said_ else None, "waiting", absent),
        said(_hundred(said_.kv_usage_ratio) if said_ else None, "kv_usage_ratio", absent),
        Cell(age(since_s if since_s < 3600 else since_s // 60 * 60), status.since_unix_s, Tone.DIM),
        Cell(_instance_why(store, view, status), tone=Tone.DIM),
    )
    return Row(key, cells, dim=view.state is not NodeState.UP)


def phase_cell(status: InstanceStatus) -> Cell:
    """A sign and the word; sorts by phase, problems first, and within a phase the longest queue first."""
    queue = (status.reading.waiting if status.reading else None) or 0.0
    tone = Tone.PLAIN
    if status.phase in PROBLEM:
        tone = Tone.WARN if status.phase in (Phase.DEGRADED, Phase.BACKOFF) else Tone.BAD
    elif status.phase is Phase.STOPPED:
        tone = Tone.DIM
    return Cell(
        f"{_PHASE_SIGN.get(status.phase, ' ')} {status.phase}",
        _PHASE_ORDER.index(status.phase) - queue / (queue + 1),
        tone,
    )


def where(status: InstanceStatus, node: str) -> str:
    """`node gpu0-3`, or the node alone for an engine without GPUs."""
    indexes = sorted(held.gpu_index for held in status.slices)
    if not indexes:
        return f"{node} cpu"
    close = indexes == list(range(indexes[0], indexes[0] + len(indexes))) and len(indexes) > 1
    return f"{node} gpu{indexes[0]}-{indexes[-1]}" if close else f"{node} gpu{','.join(map(str, indexes))}"


def is_problem(row: Row) -> bool:
    """Whether the first cell of the row asks for somebody."""
    return row.cells[0].tone in (Tone.BAD, Tone.WARN)


def _gpu_state(view: NodeView, gpu: GpuReading) -> Cell:
    if view.state in (NodeState.UNREACHABLE, NodeState.REFUSED):
        return Cell("× node lost", 1.0, Tone.BAD)
    if gpu.state is GpuState.LOST:
        return Cell("× lost", 0.0, Tone.BAD)
    if gpu.throttle:
        return Cell("! throttled", 2.0, Tone.WARN)
    if view.state is NodeState.STALE or gpu.state is GpuState.STALE:
        return Cell("~ stale", 3.0, Tone.WARN)
    if any(process.instance is None for process in gpu.processes):
        return Cell("▒ foreign", 4.0, Tone.WARN)
    idle = gpu.busy_ratio is not None and gpu.busy_ratio < 0.02
    return Cell("· idle", 6.0, Tone.DIM) if idle else Cell("  ok", 5.0)


def _tenants(gpu: GpuReading) -> Cell:
    ours = sorted({process.instance for process in gpu.processes if process.instance})
    foreign = [f"▒ {process.name or process.pid} ({process.user or '?'})"
               for process in gpu.processes if process.instance is None]  # fmt: skip
    text = ", ".join([*foreign, *ours])
    return Cell(text or UNKNOWN, text or None, Tone.PLAIN if text else Tone.DIM)


def _node_why(store: Store, view: NodeView) -> str:
    aged = store.age_s(view)
    last = f"last word {age(aged)} ago" if aged is not None and view.state is not NodeState.UP else ""
    why = "" if view.why is None else f"{view.why.text}: {view.why.hint}" if view.why.hint else view.why.text
    note = view.status.gpu_source.note if view.status else ""
    return "; ".join(part for part in (why, last) if part) or note


def _instance_why(store: Store, view: NodeView, status: InstanceStatus) -> str:
    if view.state is not NodeState.UP:
        return f"{view.state}, as of {age(store.age_s(view))} ago"
    if status.reason is not None and status.phase is not Phase.READY:
        return status.reason.text
    if status.load is not None and status.phase in HAS_PROCESS and status.phase is not Phase.READY:
        ratio = "" if status.load.ratio is None else f" {percent(status.load.ratio)}"
        return f"{status.load.step}{ratio}"
    return ""


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _hundred(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio
