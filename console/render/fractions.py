"""GPUs by how they are shared: a row a GPU on the screen, a row a part in the list."""

from collections.abc import Iterable, Sequence

from console.render.figures import gib_cell
from console.render.gpus import gpu_state
from console.render.sharing import holder_word, memory_line, mode_word, shared, stranger_text
from console.render.slices import amount
from console.render.table import Cell, Column, Row, Tone
from console.render.text import UNKNOWN, gib
from console.store import Key, NodeState, NodeView, Store
from engines.devices import ShareMode
from profiles.gpu.sharing import Sharing
from profiles.observed.status import PROBLEM, GpuReading, GpuState, Phase
from profiles.observed.traits import TRAITS, way

BAR = 24

SHARING_COLUMNS = (
    Column("state", "State", 14, priority=1),
    Column("node", "Node", 14, priority=1, names=True),
    Column("gpu", "GPU", 3, right=True, priority=1, names=True),
    Column("shared", "Shared", 8, priority=1),
    Column("memory", "Memory", BAR, priority=4),
    Column("ours", "Ours GiB", 8, right=True, priority=3),
    Column("total", "of GiB", 6, right=True, priority=6),
    Column("free", "Free GiB", 8, right=True, priority=2),
    Column("tenants", "Tenants", 14, priority=2, grow=True),
)
PART_COLUMNS = (
    Column("node", "Node", 8, priority=1, names=True),
    Column("gpu", "GPU", 3, right=True, priority=1, names=True),
    Column("shared", "Shared", 8, priority=2),
    Column("tenant", "Tenant", 16, priority=1),
    Column("part", "Part", 12, priority=1),
    Column("uses", "Uses GiB", 8, right=True, priority=2),
    Column("holder", "Held by", 11, priority=1),
    Column("phase", "Phase", 8, priority=3),
    Column("memory", "Memory apart", 12, priority=9),
    Column("compute", "Compute apart", 12, priority=9),
    Column("faults", "Faults apart", 12, priority=9),
)


def sharing_row(store: Store, key: Key) -> Row | None:
    """`key` names a GPU by its uuid."""
    view = store.nodes.get(key.node)
    gpu = view.gpus.get(key.name) if view else None
    if view is None or gpu is None:
        return None
    found = shared(view, gpu)
    ours = sum(tenant.used_mib or 0 for tenant in found.tenants) if found.usage else None
    bar = "".join(text for text, _ in memory_line(found, BAR))
    cells = (
        _state(view, gpu, found, store.age_s(view)),
        Cell(view.name, view.name),
        Cell(str(gpu.index), float(gpu.index)),
        Cell(mode_word(found), mode_word(found), Tone.PLAIN if found.mode else Tone.DIM),
        Cell(bar, ours),
        gib_cell(ours),
        gib_cell(gpu.memory_total_mib, Tone.DIM),
        _free(found),
        _tenants(found),
    )
    return Row(key, cells, dim=view.state is not NodeState.UP or gpu.state is not GpuState.OK)


def _free(found: Sharing) -> Cell:
    if found.mode is ShareMode.MIG:
        return Cell(f"{len(found.free_slots)} MIG", None)
    return gib_cell(found.free_mib)


def _state(view: NodeView, gpu: GpuReading, found: Sharing, age_s: float | None) -> Cell:
    """That of the GPU, unless what shares it is worse off."""
    if view.state is NodeState.UP:
        if any(one.phase in PROBLEM for one in found.internals):
            return Cell("× MPS daemon", 0.5, Tone.BAD)
        if any(tenant.phase is Phase.DEGRADED for tenant in found.tenants):
            return Cell("! degraded", 2.0, Tone.WARN)
    return gpu_state(view, gpu, age_s)


def _tenants(found: Sharing) -> Cell:
    said = [stranger_text(one) for one in found.strangers]
    said += [f"{one.name} {amount(one.part)}".strip() for one in found.tenants]
    said += [f"free {slot.profile}" for slot in found.free_slots]
    return Cell(", ".join(said) or UNKNOWN, ", ".join(said) or None, Tone.PLAIN if said else Tone.DIM)


def part_rows(view: NodeView, gpu: GpuReading) -> Iterable[Sequence[Cell]]:
    """Its tenants, its strangers, and what is free."""
    found = shared(view, gpu)
    mode = mode_word(found)
    for part in _parts(found):
        row = [Cell(view.name, view.name), Cell(str(gpu.index), float(gpu.index)), Cell(mode, mode), *part]
        yield [*row, *[Cell("")] * (len(PART_COLUMNS) - len(row))]


def _parts(found: Sharing) -> Iterable[Sequence[Cell]]:
    """The cells of a row from its tenant on; those of nobody end early."""
    for one in found.tenants:
        apart = TRAITS[way(one.part)]
        kept = (apart.memory, apart.compute, apart.faults)
        yield (
            *_words(one.name, amount(one.part) or "all of it"),
            gib_cell(one.used_mib),
            *_words(holder_word(one.part), one.phase, *kept),
        )
    for other in found.strangers:
        yield *_words(stranger_text(other), ""), gib_cell(other.used_mib), *_words("foreign")
    for slot in found.free_slots:
        yield _words("free", f"{slot.profile} at {slot.start}")
    if found.mode not in (ShareMode.MIG, ShareMode.EXCLUSIVE):
        yield _words("free", UNKNOWN if found.free_mib is None else f"{gib(found.free_mib)} GiB")


def _words(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text, text or None) for text in texts)
