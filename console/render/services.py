"""Services: the instances of one name on all nodes, as one row. Nodes that do not answer are not summed."""

from collections.abc import Iterable

import msgspec

from console.render import text
from console.render.figures import total
from console.render.table import Cell, Column, Tone
from console.store import NodeView, Store
from engines.base import Histogram
from profiles import slo
from profiles.status import PROBLEM, InstanceStatus, Phase

SERVICE_COLUMNS = (
    Column("service", "Service", 16, priority=1),
    Column("ready", "Ready", 6, right=True, priority=1),
    Column("profile", "Profile", 12, priority=4),
    Column("engine", "Engine", 9, priority=6),
    Column("requests", "Req/s", 6, right=True, priority=2),
    Column("tokens", "Tok/s", 7, right=True, priority=3),
    Column("ttft", "TTFT p95", 10, right=True, priority=2),
    Column("itl", "ITL p95", 10, right=True, priority=4),
    Column("queue", "Queue", 5, right=True, priority=3),
    Column("nodes", "Nodes", 12, priority=5),
    Column("model", "Model", 12, priority=7),
)


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """What all replicas say together; None where none of them says."""

    name: str
    profile: str
    engine: str
    model: str
    nodes: tuple[str, ...]
    replicas: int
    ready: int
    problems: int
    requests_per_s: float | None
    generation_tok_s: float | None
    waiting: float | None
    ttft: Histogram | None
    itl: Histogram | None


def services(store: Store) -> list[ServiceView]:
    """By name; a name that two profiles use is two services."""
    found: dict[tuple[str, str], list[tuple[NodeView, InstanceStatus]]] = {}
    for view, status in store.instances():
        if view.counted:
            found.setdefault((status.name.rpartition("/")[0], status.profile), []).append((view, status))
    return [_service(name, profile, members) for (name, profile), members in sorted(found.items())]


def service_cells(service: ServiceView) -> tuple[Cell, ...]:
    tone = Tone.BAD if service.problems else Tone.PLAIN
    return (
        Cell(service.name, service.name),
        Cell(f"{service.ready}/{service.replicas}", service.ready / service.replicas, tone),
        Cell(service.profile, service.profile, Tone.DIM),
        Cell(service.engine, service.engine, Tone.DIM),
        Cell(text.rate(service.requests_per_s), service.requests_per_s),
        Cell(text.number(service.generation_tok_s), service.generation_tok_s),
        _p95(service.ttft),
        _p95(service.itl),
        Cell(text.number(service.waiting), service.waiting),
        Cell(", ".join(service.nodes), service.nodes[0]),
        Cell(service.model, service.model, Tone.DIM),
    )


def _service(name: str, profile: str, members: list[tuple[NodeView, InstanceStatus]]) -> ServiceView:
    statuses = [status for _, status in members]
    readings = [status.reading for status in statuses if status.reading is not None]
    return ServiceView(
        name=name,
        profile=profile,
        engine=statuses[0].engine,
        model=statuses[0].model,
        nodes=tuple(sorted({view.name for view, _ in members})),
        replicas=len(statuses),
        ready=sum(status.phase is Phase.READY for status in statuses),
        problems=sum(status.phase in PROBLEM for status in statuses),
        requests_per_s=total(reading.requests_per_s for reading in readings),
        generation_tok_s=total(reading.generation_tok_s for reading in readings),
        waiting=total(reading.waiting for reading in readings),
        ttft=slo.merge(_known(reading.ttft for reading in readings)),
        itl=slo.merge(_known(reading.itl for reading in readings)),
    )


def _known(histograms: Iterable[Histogram | None]) -> list[Histogram]:
    return [histogram for histogram in histograms if histogram is not None]


def _p95(histogram: Histogram | None) -> Cell:
    found = slo.quantile(histogram, 0.95) if histogram else None
    return Cell(text.quantile(found), found.high_s if found else None)
