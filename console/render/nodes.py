"""Rows of nodes: is it there, how loaded is it, what is wrong with it."""

from collections.abc import Mapping

from console.render.burn import burn_cell, node_burns
from console.render.cordons import SIGN, is_cordoned, node_cordons
from console.render.figures import gib_cell, hundred, said, total
from console.render.table import Cell, Column, Row, Tone
from console.render.text import UNKNOWN, age, number, percent
from console.render.traffic import of_nodes
from console.store import Key, NodeState, NodeView, Store
from profiles.observed.status import GpuSourceKind, GpuState, Phase

NODE_COLUMNS = (
    Column("state", "State", 13, priority=1),
    Column("node", "Node", 12, priority=1, names=True),
    Column("site", "Site", 6, priority=6),
    Column("gpus", "GPUs", 4, right=True, priority=2),
    Column("busy", "Busy %", 6, right=True, priority=2, also=("util",)),
    Column("used", "Used GiB", 8, right=True, priority=3, also=("mem",)),
    Column("total", "of GiB", 7, right=True, priority=4),
    Column("power", "Power W", 7, right=True, priority=4),
    Column("ready", "Ready", 7, right=True, priority=2),
    Column("requests", "Req/s", 6, right=True, priority=8),
    Column("tokens", "Tok/s", 7, right=True, priority=8),
    Column("burn", "Burn 1m", 8, right=True, priority=6),
    Column("agent", "Agent %", 7, right=True, priority=7),
    Column("trip", "Trip ms", 7, right=True, priority=7),
    Column("isolation", "Isolation", 11, priority=8),
    Column("why", "Why", 30, priority=1, grow=True, least=18, ages=True),
)
INVENTORY_COLUMNS = (Column("owner", "Owner", 8, priority=9), Column("labels", "Labels", 16, priority=9))
"""What the inventory says of a node, for wide tables."""
_NODE_SIGN = {
    NodeState.REFUSED: ("× refused", Tone.BAD),
    NodeState.UNREACHABLE: ("× unreachable", Tone.BAD),
    NodeState.STALE: ("~ stale", Tone.WARN),
    NodeState.CONNECTING: ("… connecting", Tone.DIM),
    NodeState.UP: ("  up", Tone.PLAIN),
}


_CORDONED_SORT = 3.5
"""After what is wrong, before what is up."""


def state_cell(view: NodeView) -> Cell:
    """A sign and the word; sorts worst first."""
    if view.state is NodeState.UP and is_cordoned(view):
        return Cell(f"{SIGN} cordoned", _CORDONED_SORT)
    text, tone = _NODE_SIGN[view.state]
    return Cell(text, float(list(_NODE_SIGN).index(view.state)), tone)


def node_row(store: Store, key: Key) -> Row | None:
    """`key` names a node."""
    view = store.nodes.get(key.node)
    if view is None:
        return None
    state = state_cell(view)
    gpus = list(view.gpus.values())
    living = [gpu for gpu in gpus if gpu.state is not GpuState.LOST]
    used, of, power = (total([getattr(gpu, field) for gpu in living])
                          for field in ("memory_used_mib", "memory_total_mib", "power_w"))  # fmt: skip
    busy = [gpu.busy_ratio for gpu in living if gpu.busy_ratio is not None]
    mean = sum(busy) / len(busy) if busy else None
    ready = sum(status.phase is Phase.READY for status in view.instances.values())
    cost = view.status.host.agent_cpu_ratio if view.status else None
    trip_ms = None if view.round_trip_s is None else 1000 * view.round_trip_s
    seen, held = view.status is not None, view.status.isolation if view.status else None
    does = of_nodes([view])
    cells = (
        state,
        Cell(view.name, view.name),
        Cell(view.site, view.site or None, Tone.DIM),
        Cell(str(len(gpus)) if seen else UNKNOWN, float(len(gpus)) if seen else None),
        Cell(percent(mean).rstrip("%"), hundred(mean)),
        gib_cell(used),
        gib_cell(of, Tone.DIM),
        Cell(number(power), power),
        Cell(f"{ready}/{len(view.instances)}" if seen else UNKNOWN, float(ready)),
        said(does.requests_per_s, "", {}, 1),
        said(does.generation_tok_s, "", {}),
        burn_cell(node_burns(view)[0])._replace(tone=Tone.PLAIN),  # its instances', not its own
        said(hundred(cost), "", {}, 1)._replace(tone=Tone.DIM),
        Cell(UNKNOWN if trip_ms is None else f"{trip_ms:.1f}", trip_ms, Tone.DIM),
        Cell(held.tier.replace("_", " ") if held else UNKNOWN, held.tier if held else None, Tone.DIM),
        _node_why(store, view, state.tone),
    )
    return Row(key, cells, dim=view.state is not NodeState.UP)


def inventory_cells(view: NodeView) -> tuple[Cell, ...]:
    """In the order of INVENTORY_COLUMNS."""
    labels = label_words(view.labels)
    return Cell(view.owner, view.owner or None), Cell(labels, labels or None)


def label_words(labels: Mapping[str, str]) -> str:
    """`pool=chat rack=a3`."""
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _node_why(store: Store, view: NodeView, tone: Tone) -> Cell:
    """What is wrong in `tone`; what is only to be known of a node that is up, dim."""
    aged = store.age_s(view)
    last = f"last word {age(aged)} ago" if aged is not None and view.state is not NodeState.UP else ""
    why = "" if view.why is None else f"{view.why.text}: {view.why.hint}" if view.why.hint else view.why.text
    status = view.status
    cordoned = node_cordons(view, store.wall()) if status else []
    keys = "its host changes its keys, and proves the new ones" if view.new_keys else ""
    told = [part for part in (why, last, keys, *cordoned) if part]
    if not told and status and status.gpu_source.note:
        told = [status.gpu_source.note]
        tone = Tone.DIM if view.state is NodeState.UP and status.gpu_source.kind is GpuSourceKind.SIMULATED else tone
    elif not told and view.state is NodeState.UP:
        tone = Tone.DIM
    remark = status.kept.remark() if status and status.kept and view.state is NodeState.UP else ""
    return Cell("; ".join(filter(None, (*told, remark))), tone=tone)
