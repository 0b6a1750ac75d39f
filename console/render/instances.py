"""Rows of instances: who serves, how well, what is wrong."""

from math import log10

from console.render.burn import burn_cell, burns
from console.render.figures import first_token, hundred, latency, said
from console.render.leases import lease_text
from console.render.load import load_text
from console.render.money import money_cell
from console.render.slices import part_cell
from console.render.table import Cell, Column, Row, Tone
from console.render.text import HOUR_S, MINUTE_S, age
from console.render.traffic import ERRORS_COLUMN, MORE_COLUMNS, errors_cell, more_cells, traffic
from console.spending import of_instance, per_million
from console.store import Key, NodeState, NodeView, Store
from profiles.observed.status import PROBLEM, InstanceStatus, Phase

INSTANCE_COLUMNS = (
    Column("phase", "Phase", 10, priority=1),
    Column("instance", "Instance", 16, priority=1, names=True),
    Column("where", "Where", 12, priority=3, names=True),
    Column("part", "Part", 8, priority=6),
    Column("engine", "Engine", 12, priority=7),
    Column("requests", "Req/s", 6, right=True, priority=2),
    ERRORS_COLUMN,
    Column("tokens", "Tok/s", 7, right=True, priority=4),
    Column("ttft", "TTFT p95", 10, right=True, priority=2, is_time=True),
    Column("itl", "ITL p95", 9, right=True, priority=5, is_time=True),
    Column("running", "Run", 4, right=True, priority=5),
    Column("queue", "Queue", 5, right=True, priority=4),
    Column("burn", "Burn 1m", 8, right=True, priority=3),
    Column("kv", "KV %", 4, right=True, priority=4),
    Column("cost", "$/h", 6, right=True, priority=6),
    Column("million", "$/1M", 6, right=True, priority=7),
    *MORE_COLUMNS,
    Column("for", "For", 6, right=True, priority=6, is_time=True, ages=True),
    Column("why", "Why", 26, priority=2, grow=True, least=14),
)
PHASE_ORDER = (
    Phase.STALLED, Phase.LOST, Phase.FAILED, Phase.BACKOFF, Phase.DEGRADED, Phase.PENDING, Phase.STARTING,
    Phase.LOADING, Phase.STOPPING, Phase.DRAINING, Phase.READY, Phase.SLEEPING, Phase.STOPPED,
)  # fmt: skip
"""Worst first: a stalled engine holds requests that will never be answered."""
_COMING_UP = frozenset({Phase.STARTING, Phase.LOADING})
_PHASE_SIGN = {Phase.LOST: "×", Phase.FAILED: "×", Phase.STALLED: "?", Phase.BACKOFF: "!", Phase.DEGRADED: "!"}


def instance_row(store: Store, key: Key) -> Row | None:
    """`key` names an instance."""
    view = store.nodes.get(key.node)
    status = view.instances.get(key.name) if view else None
    if view is None or status is None:
        return None
    said_ = status.reading
    absent = said_.absent if said_ else {}
    does = traffic([said_] if said_ else [])
    cost = of_instance(store.sheet, view, status)
    for_s = store.wall() + view.clock_skew_s - status.since_unix_s
    for_s = for_s if for_s < HOUR_S else for_s // MINUTE_S * MINUTE_S
    cells = (
        phase_cell(status),
        Cell(status.name, status.name),
        Cell(where(status, view.name), view.name),
        part_cell(status.slices),
        Cell(status.engine, status.engine, Tone.DIM),
        said(said_.requests_per_s if said_ else None, "requests_per_s", absent, 1),
        errors_cell(does, absent),
        said(said_.generation_tok_s if said_ else None, "generation_tok_s", absent),
        first_token(status),
        latency(said_.itl if said_ else None, 0.95, "itl", absent),
        said(said_.running if said_ else None, "running", absent),
        said(said_.waiting if said_ else None, "waiting", absent),
        burn_cell(burns(view, status)[0]),
        said(hundred(said_.kv_usage_ratio) if said_ else None, "kv_usage_ratio", absent),
        money_cell(cost),
        money_cell(per_million(cost, [said_.generation_tok_s if said_ else None])),
        *more_cells(does, absent),
        Cell(age(for_s), for_s, Tone.DIM),
        Cell(instance_why(store, view, status), tone=Tone.DIM if view.state is NodeState.UP else Tone.WARN),
    )
    return Row(key, cells, dim=view.state is not NodeState.UP)


def phase_cell(status: InstanceStatus) -> Cell:
    """A sign and the word; sorts by phase, problems first, and within a phase by the magnitude of the queue.

    Its magnitude alone, so that rows do not change places with every request.
    """
    queue = (status.reading.waiting if status.reading else None) or 0.0
    magnitude = log10(max(queue, 1)) // 1
    tone = Tone.PLAIN
    if status.phase in PROBLEM:
        tone = Tone.WARN if status.phase in (Phase.DEGRADED, Phase.BACKOFF) else Tone.BAD
    elif status.phase is Phase.STOPPED:
        tone = Tone.DIM
    return Cell(
        f"{_PHASE_SIGN.get(status.phase, ' ')} {status.phase}",
        PHASE_ORDER.index(status.phase) - magnitude / 10,
        tone,
    )


def where(status: InstanceStatus, node: str) -> str:
    """`node gpu0-3`, or the node alone for an engine without GPUs."""
    indexes = sorted(held.gpu_index for held in status.slices)
    if not indexes:
        return f"{node} cpu"
    close = indexes == list(range(indexes[0], indexes[0] + len(indexes))) and len(indexes) > 1
    return f"{node} gpu{indexes[0]}-{indexes[-1]}" if close else f"{node} gpu{','.join(map(str, indexes))}"


def instance_why(store: Store, view: NodeView, status: InstanceStatus) -> str:
    if view.state is not NodeState.UP:
        return f"{age(store.age_s(view))} old, node {view.state}"
    if status.phase is Phase.READY:
        return lease_text(store, view, status.name)
    if status.load is not None and status.phase in _COMING_UP:
        return load_text(status.load)
    return status.reason.text if status.reason is not None else ""
