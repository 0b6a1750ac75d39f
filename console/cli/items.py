"""What the lists print as JSON: plain data, units in the names, quantiles in place of histograms."""

from collections.abc import Sequence

import msgspec

from console.recorded import Latency
from console.render.burn import Burns, burns, node_burns
from console.render.services import ServiceView
from console.render.traffic import of_nodes
from console.render.windows import LONGER_S, observed
from console.store import NodeView, Store
from engines.base import Histogram
from profiles.gpu.sharing import sharing
from profiles.latency.burn import WINDOWS_S
from profiles.latency.slo import quantile
from profiles.observed.history import HISTOGRAMS
from profiles.observed.status import EngineReading, Event, GpuReading, InstanceStatus
from profiles.observed.traits import TRAITS, way
from profiles.placing.cordon import NODE
from profiles.revisions.merged import ProfileRevision
from profiles.revisions.revision import Revision

Item = dict[str, object]
QUANTILES = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))


def node_item(store: Store, view: NodeView) -> Item:
    """One node and its link; `status` of the last frame without its GPUs and instances."""
    status = view.status
    return {
        "name": view.name,
        "site": view.site,
        "owner": view.owner,
        "labels": dict(view.labels),
        "state": view.state,
        "reason": _plain(view.why),
        "way": view.way,
        "role": view.role,
        "round_trip_s": view.round_trip_s,
        "age_s": store.age_s(view),
        "hostname": status.hostname if status else None,
        "agent_version": status.agent_version if status else None,
        "gpu_source": _plain(status.gpu_source) if status else None,
        "isolation": _plain(status.isolation) if status else None,
        "kept": _plain(status.kept) if status else None,
        "host": _plain(status.host) if status else None,
        "generation": view.desired.generation if status else None,
        "gpus": len(view.gpus) if status else None,
        "instances": len(view.instances) if status else None,
        "cordon": _plain(view.desired.cordons.get(NODE)),
        "traffic": _plain(of_nodes([view])) if view.counted else None,
        "burn": _burns(node_burns(view)) if view.counted else None,
        "troubles": [_plain(one) for one in status.troubles] if status else [],
    }


def gpu_item(view: NodeView, reading: GpuReading) -> Item:
    """`cordon` is its own; that of its node is the node's."""
    cordon = _plain(view.desired.cordons.get(reading.uuid))
    told = {field: msgspec.to_builtins(getattr(reading, field)) for field in reading.__struct_fields__}
    return {"node": view.name, "cordon": cordon, **told}


def sharing_item(view: NodeView, reading: GpuReading) -> Item:
    """One GPU divided; each tenant with what its way of sharing keeps apart."""
    found = sharing(reading, view.instances.values(), view.status.internals if view.status else ())
    item: Item = {"node": view.name, "gpu": reading.index, "uuid": reading.uuid, **msgspec.to_builtins(found)}
    item["tenants"] = [{**msgspec.to_builtins(one), "way": way(one.part), "keeps_apart": _plain(TRAITS[way(one.part)])}
                       for one in found.tenants]  # fmt: skip
    return item


def instance_item(view: NodeView, status: InstanceStatus) -> Item:
    """`since_unix_s` and the reading's time are of the node's clock, `clock_skew_s` ahead of ours."""
    item: Item = {"node": view.name, "clock_skew_s": view.clock_skew_s, **msgspec.to_builtins(status)}
    item["reading"] = _reading(status.reading) if status.reading else None
    item["burn"] = _burns(burns(view, status))
    owned = view.desired.instances.get(status.name)
    item["lease_ends_at_unix_s"] = owned.lease_ends_at_unix_s if owned else None
    return item


def service_item(service: ServiceView) -> Item:
    item: Item = msgspec.to_builtins(service)
    item |= msgspec.to_builtins(service.traffic)
    del item["traffic"], item["goodput"]
    good = service.goodput
    item["goodput_per_s"] = good and {"low": good[0], "high": good[1]}
    return item | {"ttft": _quantiles(service.ttft), "itl": _quantiles(service.itl), "burns": _burns(service.burns)}


def window_item(told: Sequence[Latency | None]) -> Item:
    """Field → window → quantiles over it, and how much of it a node has seen; of the replicas together."""
    known = [one for one in told if one is not None]
    item: Item = {}
    for field in HISTOGRAMS:
        found = {name: observed(known, field, window_s) for name, window_s in LONGER_S.items()}
        item[field] = {f"{LONGER_S[name]:.0f}s": {"seen_s": seen_s, "quantiles": _quantiles(histogram)}
                       for name, (histogram, seen_s) in found.items()}  # fmt: skip
    return item


def event_item(view: NodeView, event: Event) -> Item:
    """`at_unix_s` is of the node's clock, `corrected_unix_s` the same moment by ours."""
    corrected = event.at_unix_s - view.clock_skew_s
    return {"node": view.name, "corrected_unix_s": corrected, "clock_skew_s": view.clock_skew_s,
            **msgspec.to_builtins(event)}  # fmt: skip


def revision_item(view: NodeView, head: Revision) -> Item:
    """As an event's; null where nobody made it."""
    corrected = None if head.at_unix_s is None else head.at_unix_s - view.clock_skew_s
    return {"node": view.name, "corrected_unix_s": corrected, "clock_skew_s": view.clock_skew_s,
            **msgspec.to_builtins(head)}  # fmt: skip


def profile_revision_item(one: ProfileRevision) -> Item:
    """`at_unix_s` is by our clock; `nodes` has the generation at which each node that keeps it took it."""
    item: Item = msgspec.to_builtins(one)
    del item["on"]
    return item | {"nodes": {node: head.generation for node, head in one.on.items()}}


def _reading(reading: EngineReading) -> Item:
    item: Item = msgspec.to_builtins(reading)
    return item | {field: _quantiles(getattr(reading, field)) for field in ("ttft", "itl", "e2e", "queue")}


def _quantiles(histogram: Histogram | None) -> Item | None:
    """None without an observation; `high_s` null has no upper bound."""
    if histogram is None or not histogram.count:
        return None
    found = {name: quantile(histogram, q) for name, q in QUANTILES}
    return {name: _plain(value) for name, value in found.items()} | {"count": histogram.count}


def _burns(found: Burns) -> Item:
    """By window; null where nothing is promised, or nothing was asked."""
    return {f"{window_s:.0f}s": _plain(one) for window_s, one in zip(WINDOWS_S, found, strict=True)}


def _plain(value: msgspec.Struct | None) -> Item | None:
    plain: Item | None = msgspec.to_builtins(value)
    return plain
