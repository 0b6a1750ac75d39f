"""Services: the replicas of one name on all nodes, as one row. What a lost node said last is in no sum.

The worst of a service, worst first:

    DOWN       wanted, and nobody serves
    UNSEEN     nobody is seen to serve, but nodes with replicas do not answer: their engines may well go on
    a problem  of the replica that is worst off, by its phase
    unseen     nodes with replicas do not answer, and the rest serves
    20.0×      what the replica that is worst off burns of its objectives, where it has any
    any other phase, as on the instances screen
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from console.render.burn import Burns, burn_cell, burning, burns, worst_of
from console.render.figures import hundred, latency, moment, said
from console.render.goodput import Goodput, all_good, good_cell, goodput
from console.render.instances import PHASE_ORDER, instance_why, phase_cell, where
from console.render.money import money_cell
from console.render.table import Cell, Column, Row, Tone, natural, rank
from console.render.traffic import ERRORS_COLUMN, MORE_COLUMNS, Traffic, errors_cell, more_cells, traffic
from console.render.windows import absent_of
from console.spending import of_instance, per_million
from console.store import Key, Kind, NodeState, NodeView, Store
from engines.base import Histogram
from profiles.desired.model import Wanted
from profiles.latency import slo
from profiles.observed.status import PROBLEM, InstanceStatus, Phase

SERVICE_COLUMNS = (
    Column("service", "Service", 14, priority=1, names=True),
    Column("ready", "Ready", 5, right=True, priority=1),
    Column("worst", "Worst 1m", 10, priority=1),
    Column("burn_5m", "5m", 5, right=True, priority=3),
    Column("burn_1h", "1h", 5, right=True, priority=4),
    Column("requests", "Req/s", 6, right=True, priority=2),
    ERRORS_COLUMN,
    Column("tokens", "Tok/s", 7, right=True, priority=7),
    Column("ttft", "TTFT p95", 10, right=True, priority=2, is_time=True),
    Column("itl", "ITL p95", 9, right=True, priority=5, is_time=True),
    Column("queue", "Queue", 5, right=True, priority=3),
    Column("kv", "KV %", 4, right=True, priority=4),
    Column("million", "$/1M", 6, right=True, priority=5),
    Column("cost", "$/h", 6, right=True, priority=7),
    Column("since", "Since", 8, priority=4),
    Column("where", "Where", 12, priority=3),
    Column("why", "Why", 26, priority=2, grow=True, least=13),
    Column("goodput", "Good/s", 6, right=True, priority=9),
    *MORE_COLUMNS,
    Column("engine", "Engine", 12, priority=8),
    Column("profile", "Profile", 10, priority=8, names=True),
    Column("model", "Model", 20, priority=9, grow=True),
)
WORST_COLUMN = 2
_ON_ITS_WAY = frozenset({Phase.PENDING, Phase.STARTING, Phase.LOADING})
_SERVING = frozenset({Phase.READY, Phase.DEGRADED, Phase.DRAINING, Phase.SLEEPING})
_DOWN = Cell("× DOWN", -3.0, Tone.BAD)
_UNSEEN = Cell("× UNSEEN", -2.0, Tone.BAD)
WITHIN = "within its objectives"
_BURNS_FROM = PHASE_ORDER.index(Phase.PENDING) - 0.25
"""Behind every problem and before what is merely on its way."""

_PARTLY_UNSEEN = Cell("~ unseen", PHASE_ORDER.index(Phase.PENDING) - 1.0, Tone.WARN)

Member = tuple[NodeView, InstanceStatus]


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """What all replicas say together; None where none of them says.

    `wanted` counts the replicas that should run. `worst`, `where`, `why` and `since_unix_s` (our clock) are of
    the replica that is worst off, `kv_usage_ratio` is of the fullest one.
    """

    name: str
    profile: str
    engine: str
    model: str
    nodes: tuple[str, ...]
    replicas: int
    wanted: int
    ready: int
    worst: str
    where: str
    why: str
    since_unix_s: float
    traffic: Traffic
    goodput: Goodput | None
    kv_usage_ratio: float | None
    ttft: Histogram | None
    itl: Histogram | None
    microusd_h: int | None
    """Of the replicas whose GPUs have a price; None where none has."""
    burns: Burns
    """Of the replica that is worst off in each window."""
    absent: Mapping[str, str]
    """Field → why no replica ever says it."""


class Worst(NamedTuple):
    """The replica that is worst off, and what that makes of the service."""

    cell: Cell
    member: Member
    why: str = ""
    """Which objective, where the cell is a burn."""


def services(store: Store) -> list[ServiceView]:
    """By name; a name that two profiles use is two services."""
    return [_view(store, _members(store, key)) for key in sorted(store.keys(Kind.SERVICE), key=lambda key: key.name)]


def service_row(store: Store, key: Key) -> Row | None:
    """`key` names a service."""
    members = _members(store, key)
    if not members:
        return None
    view, worst = _view(store, members), _worst(members)
    calm = worst.cell.tone in (Tone.PLAIN, Tone.DIM) and view.why in ("", WITHIN)
    ready = Tone.PLAIN if view.ready == view.wanted else worst.cell.tone
    cells = (
        Cell(view.name, view.name),
        Cell(f"{view.ready}/{view.wanted}", view.ready / view.wanted if view.wanted else None, ready),
        worst.cell,
        burn_cell(view.burns[1]),
        burn_cell(view.burns[2]),
        said(view.traffic.requests_per_s, "requests_per_s", view.absent, 1),
        errors_cell(view.traffic, view.absent),
        said(view.traffic.generation_tok_s, "generation_tok_s", view.absent),
        latency(view.ttft, 0.95, "ttft", view.absent),
        latency(view.itl, 0.95, "itl", view.absent),
        said(view.traffic.waiting, "waiting", view.absent),
        said(hundred(view.kv_usage_ratio), "kv_usage_ratio", view.absent),
        money_cell(per_million(view.microusd_h, [view.traffic.generation_tok_s])),
        money_cell(view.microusd_h),
        Cell("" if calm or worst.why else moment(view.since_unix_s, store.wall()), view.since_unix_s, Tone.DIM),
        Cell(", ".join(view.nodes), view.nodes[0], Tone.DIM) if calm else Cell(view.where, view.where),
        Cell("" if view.why == WITHIN else view.why, tone=Tone.DIM),
        good_cell(view.goodput),
        *more_cells(view.traffic, view.absent),
        Cell(view.engine, view.engine, Tone.DIM),
        Cell(view.profile, view.profile, Tone.DIM),
        Cell(view.model, view.model, Tone.DIM),
    )
    return Row(key, cells, dim=all(node.state is not NodeState.UP for node, _ in members))


def service_view(store: Store, key: Key) -> ServiceView | None:
    """`key` names a service."""
    members = _members(store, key)
    return _view(store, members) if members else None


def worst_replica(store: Store, key: Key) -> Key | None:
    """The instance that is worst off; None when the service is gone."""
    members = _members(store, key)
    if not members:
        return None
    node, status = _worst(members).member
    return Key(Kind.INSTANCE, node.name, status.name)


def _members(store: Store, key: Key) -> list[Member]:
    views = ((store.nodes[member.node], member.name) for member in store.members(key))
    return [(view, view.instances[name]) for view, name in views]


def _view(store: Store, members: list[Member]) -> ServiceView:
    counted = [status for view, status in members if view.counted]
    readings = [status.reading for status in counted if status.reading is not None]
    fullness = [reading.kv_usage_ratio for reading in readings if reading.kv_usage_ratio is not None]
    worst = _worst(members)
    node, status = worst.member
    seen = node.counted
    costs = [
        cost for view, one in members if view.counted and (cost := of_instance(store.sheet, view, one)) is not None
    ]
    return ServiceView(
        name=status.name.rpartition("/")[0],
        profile=status.profile,
        engine=status.engine,
        model=status.model,
        nodes=tuple(sorted({view.name for view, _ in members}, key=natural)),
        replicas=len(members),
        wanted=sum(status.wanted is Wanted.RUNNING for _, status in members),
        ready=sum(status.phase is Phase.READY and status.wanted is Wanted.RUNNING for status in counted),
        worst=str(status.phase) if worst.why else worst.cell.text[2:].lower(),
        where=where(status, node.name) if seen else node.name,
        why=instance_why(store, node, status) or worst.why,
        since_unix_s=status.since_unix_s - node.clock_skew_s if seen else store.wall() - (store.age_s(node) or 0.0),
        traffic=traffic(readings),
        goodput=all_good(goodput(view, status) for view, status in members if view.counted),
        kv_usage_ratio=max(fullness, default=None),
        ttft=slo.merge(reading.ttft for reading in readings if reading.ttft is not None),
        itl=slo.merge(reading.itl for reading in readings if reading.itl is not None),
        microusd_h=sum(costs) if costs else None,
        burns=worst_of(burns(view, status) for view, status in members if view.counted),
        absent=absent_of(readings),
    )


def _worst(members: list[Member]) -> Worst:
    wanted = [member for member in members if member[1].wanted is Wanted.RUNNING]
    seen = [member for member in wanted if member[0].counted]
    unseen = [member for member in wanted if not member[0].counted]
    by_phase = min(seen or wanted or members, key=lambda member: rank(phase_cell(member[1])))
    phase = phase_cell(by_phase[1])
    if wanted and not any(status.phase in _SERVING for _, status in seen):
        if unseen:
            return Worst(_UNSEEN, unseen[0])
        if not all(status.phase in _ON_ITS_WAY and not status.restarts for _, status in seen):
            return Worst(_DOWN, by_phase)
    if by_phase[1].phase in PROBLEM:
        return Worst(phase._replace(text=phase.text.upper()), by_phase)
    if unseen:
        return Worst(_PARTLY_UNSEEN, unseen[0])
    burning_ = _burning(seen)
    if burning_ is None or (burning_.cell.tone is Tone.PLAIN and by_phase[1].phase is not Phase.READY):
        return Worst(phase, by_phase)
    return burning_


def _burning(members: list[Member]) -> Worst | None:
    """Who burns most in the last minute; None where nothing is promised, or nobody asks."""
    found = [(rate, member) for member in members if (rate := burns(*member)[0]) is not None]
    if not found:
        return None
    most, member = max(found, key=lambda one: (one[0].low, one[0].high))
    cell = burn_cell(most)
    sign = "!" if cell.tone is not Tone.PLAIN else " "
    why = burning(*member) if cell.tone is not Tone.PLAIN else ""
    return Worst(
        cell._replace(text=f"{sign} {cell.text}", sort=_BURNS_FROM - most.low / (1 + most.low) / 2),
        member,
        why or WITHIN,
    )
