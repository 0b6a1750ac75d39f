"""Rows of GPUs: how busy, how full, whose."""

from console.render.burn import burn_cell, burns, worst_of
from console.render.cordons import SIGN, cordon_of, is_cordoned
from console.render.cordons import said as cordon_said
from console.render.figures import bar, first_token, gib_cell, hundred, said, total
from console.render.gpusigns import health_cell, signs_cell, throttled
from console.render.memorybar import memory_bar
from console.render.money import money_cell
from console.render.table import Cell, Column, Row, Tone, rank
from console.render.text import UNKNOWN, age
from console.spending import of_gpus
from console.store import Key, NodeState, NodeView, Store
from profiles.observed.status import GpuReading, GpuState
from profiles.placing.cordon import NODE

MEMORY = 12

GPU_COLUMNS = (
    Column("state", "State", 14, priority=1),
    Column("node", "Node", 14, priority=1, names=True),
    Column("gpu", "GPU", 3, right=True, priority=1, names=True),
    Column("name", "Model", 16, priority=7),
    Column("busy", "Busy %", 6, right=True, priority=1, also=("util",)),
    Column("active", "SM %", 5, right=True, priority=4),
    Column("load", "0–100", 10, priority=6),
    Column("used", "Used GiB", 8, right=True, priority=2, also=("mem",)),
    Column("total", "of GiB", 6, right=True, priority=3),
    Column("memory", "Memory", MEMORY, priority=6),
    Column("power", "Power W", 7, right=True, priority=4),
    Column("temperature", "°C", 4, right=True, priority=5),
    Column("cost", "$/h", 6, right=True, priority=5),
    Column("idle", "Idle $", 6, right=True, priority=8),
    Column("ttft", "TTFT p95", 10, right=True, priority=8, is_time=True),
    Column("burn", "Burn 1m", 8, right=True, priority=7),
    Column("signs", "Signs", 15, priority=4),
    Column("tenants", "Tenants", 14, priority=2, grow=True),
)
MORE_COLUMNS = (
    Column("tensor", "Tensor %", 8, right=True, priority=9),
    Column("dram", "DRAM %", 6, right=True, priority=9),
    Column("switching", "Switch %", 8, right=True, priority=9),
    Column("clock", "SM MHz", 6, right=True, priority=9),
    Column("memory_temperature", "Mem °C", 6, right=True, priority=9),
    Column("margin", "Margin °C", 9, right=True, priority=9),
    Column("nvlink", "NVLink MiB/s", 12, right=True, priority=9),
    Column("uuid", "UUID", 8, priority=9),
)
"""What the page of a GPU has beside its row, for lists that are not cut."""


def is_shared_with_strangers(gpu: GpuReading) -> bool:
    return any(process.instance is None for process in gpu.processes)


def gpu_row(store: Store, key: Key) -> Row | None:
    """`key` names a GPU by its uuid."""
    view = store.nodes.get(key.node)
    gpu = view.gpus.get(key.name) if view else None
    if view is None or gpu is None:
        return None
    dim = view.state is not NodeState.UP or gpu.state is not GpuState.OK
    cells = (
        gpu_state(view, gpu, store.age_s(view)),
        Cell(view.name, view.name),
        Cell(str(gpu.index), float(gpu.index)),
        Cell(gpu.name.removeprefix("NVIDIA "), gpu.name, Tone.DIM),
        said(hundred(gpu.busy_ratio), "busy_ratio", gpu.absent),
        said(hundred(gpu.sm_active_ratio), "sm_active_ratio", gpu.absent),
        Cell(bar(gpu.busy_ratio, 10), gpu.busy_ratio, Tone.DIM),
        gib_cell(gpu.memory_used_mib),
        gib_cell(gpu.memory_total_mib, Tone.DIM),
        Cell(memory_bar(gpu, MEMORY), gpu.memory_used_mib, Tone.DIM),
        said(gpu.power_w, "power_w", gpu.absent),
        said(gpu.temperature_c, "temperature_c", gpu.absent),
        *_money(store, view, gpu),
        *_worst_tenant(view, gpu),
        signs_cell(gpu, store.wall() + view.clock_skew_s),
        _tenants(view, gpu, store.wall()),
    )
    return Row(key, cells, dim=dim)


def _money(store: Store, view: NodeView, gpu: GpuReading) -> tuple[Cell, Cell]:
    """All of the GPU, and what of it is allocated and does nothing."""
    bill = of_gpus(store.sheet, view, frozenset({gpu.uuid}))[gpu.uuid]
    if bill.unpriced:
        return money_cell(None), money_cell(None)
    idle = money_cell(bill.idle)
    return money_cell(bill.total), idle._replace(tone=Tone.WARN) if bill.idle else idle._replace(tone=Tone.DIM)


def _worst_tenant(view: NodeView, gpu: GpuReading) -> tuple[Cell, Cell]:
    """TTFT p95 of the slowest tenant, and the burn of the one that burns most: no fault of the GPU, so plain."""
    held = [one for one in view.instances.values() if any(part.gpu_uuid == gpu.uuid for part in one.slices)]
    known = [cell for one in held if isinstance((cell := first_token(one)).sort, float)]
    slowest = max(known, key=rank, default=Cell(UNKNOWN, tone=Tone.DIM))
    return slowest, burn_cell(worst_of(burns(view, one) for one in held)[0])._replace(tone=Tone.PLAIN)


def more_cells(gpu: GpuReading) -> list[Cell]:
    ratios = {name: getattr(gpu, name) for name in ("tensor_ratio", "dram_ratio", "switching_ratio")}
    figures = {name: getattr(gpu, name) for name in ("sm_clock_mhz", "memory_temperature_c", "margin_c")}
    figures["nvlink_rx_mib_s"] = total((gpu.nvlink_rx_mib_s, gpu.nvlink_tx_mib_s))
    told = {name: hundred(ratio) for name, ratio in ratios.items()} | figures
    return [*(said(figure, name, gpu.absent) for name, figure in told.items()), Cell(gpu.uuid)]


def gpu_state(view: NodeView, gpu: GpuReading, age_s: float | None) -> Cell:
    """With its age where the whole node is old; a reading that only the GPU is behind with says `stale` alone."""
    if view.state in (NodeState.UNREACHABLE, NodeState.REFUSED):
        return Cell(f"× node {age(age_s)}", 1.0, Tone.BAD)
    if view.state is not NodeState.UP:
        return Cell(f"~ stale {age(age_s)}", 3.0, Tone.WARN)
    if gpu.state is GpuState.LOST:
        return Cell("× lost", 0.0, Tone.BAD)
    if gpu.state is GpuState.STALE:
        return Cell("~ stale", 3.0, Tone.WARN)
    if (health := health_cell(gpu)) is not None:
        return health
    if throttled(gpu):
        return Cell("! throttled", 2.0, Tone.WARN)
    if is_shared_with_strangers(gpu):
        return Cell("▒ foreign", 4.0, Tone.WARN)
    if is_cordoned(view, gpu.uuid):
        return Cell(f"{SIGN} cordoned", 4.5)
    idle = gpu.busy_ratio is not None and gpu.busy_ratio < 0.02
    return Cell("· idle", 6.0, Tone.DIM) if idle else Cell("  ok", 5.0)


def tenants(gpu: GpuReading) -> list[str]:
    """Who is there: strangers, ours, and what other agents have of it."""
    ours = sorted({process.instance for process in gpu.processes if process.instance})
    foreign = [f"▒ {process.name or process.pid} ({process.user or '?'})"
               for process in gpu.processes if process.instance is None]  # fmt: skip
    return [*foreign, *ours, *(f"{claim.user}'s agent: {claim.instance}" for claim in gpu.claims)]


def _tenants(view: NodeView, gpu: GpuReading, now_unix_s: float) -> Cell:
    """Who is there, and why nobody new comes."""
    cordon = cordon_of(view, gpu.uuid)
    why = (
        [f"{SIGN} {cordon_said(gpu.uuid if gpu.uuid in view.desired.cordons else NODE, cordon, now_unix_s)}"]
        if cordon
        else []
    )
    text = ", ".join([*tenants(gpu), *why])
    return Cell(text or UNKNOWN, text or None, Tone.PLAIN if text else Tone.DIM)
