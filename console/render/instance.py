"""One instance in full, as lines."""

import msgspec

from console.recorded import Latency
from console.render.cordons import said
from console.render.entries import entry, long_entry
from console.render.figures import bar, moment
from console.render.fit import Line
from console.render.gateways import member_lines
from console.render.instances import phase_cell, where
from console.render.leases import lease_text
from console.render.load import load_text
from console.render.measured import measured_lines
from console.render.panels import panels
from console.render.slices import part_lines
from console.render.table import Tone
from console.render.text import NOT_AVAILABLE, age, number, percent, rate
from console.render.text import latency as seconds
from console.render.windows import latency_lines
from console.store import Key, NodeState, NodeView, Store
from profiles.desired.model import InstanceSpec
from profiles.observed.status import InstanceStatus, Phase
from profiles.placing.cordon import NODE


def instance_lines(store: Store, key: Key, width: int) -> list[Line]:
    """What is known of `key`: state, load, latency, series, wanted, events. Gone instances say so."""
    view = store.nodes[key.node]
    status = view.instances.get(key.name)
    if status is None:
        return [(), ((f" {key.name} is no longer on {key.node}: esc goes back", Tone.DIM),)]
    return [
        *_state(store, view, status, width),
        (),
        *_serving(status, width),
        *(member_lines(status.gateway, width) if status.gateway else []),
        (),
        *latency_lines([status.reading] if status.reading else [], _told(store, key), width),
        *_canary(store, view, status, width),
        (),
        *panels(store, key, width),
        (),
        *_wanted(view, status, width),
        (),
        *_events(store, view, key.name),
    ]


def _state(store: Store, view: NodeView, status: InstanceStatus, width: int) -> list[Line]:
    phase = phase_cell(status)
    since = age(store.wall() + view.clock_skew_s - status.since_unix_s)
    lines = [entry("Phase", f"{phase.text.strip()}   for {since}", phase.tone)]
    if view.state is not NodeState.UP:
        lines.append(entry("Node", f"{view.state}: all below is as of {age(store.age_s(view))} ago", Tone.WARN))
    if status.reason is not None and status.phase is not Phase.READY:
        lines += long_entry("Why", status.reason.text, width, phase.tone)
        lines += long_entry("", status.reason.hint, width, Tone.DIM) if status.reason.hint else []
    if status.load is not None:
        ratio = status.load.ratio
        drawn = "" if ratio is None else f"{bar(ratio, 30)} {percent(ratio)}   "
        lines.append(entry("Load", f"{drawn}{load_text(msgspec.structs.replace(status.load, ratio=None))}"))
    lines.append(entry("Where", f"{where(status, view.name)}   port {status.port or '–'}   pid {status.pid or '–'}"))
    for at, text in enumerate(part_lines(status.name, status.slices, view.gpus.values())):
        lines += long_entry("" if at else "Part", text, width)
    lines += [line for text in _cordons(store, view, status) for line in long_entry("Cordoned", text, width)]
    lines.append(entry("Engine", f"{status.engine}   {status.model}"))
    lines += _runtime(view, status)
    lines += measured_lines(status.memory, width) if status.memory else []
    lines.append(entry("Profile", f"{status.profile} r{status.revision}   restarts {status.restarts}"))
    if lease := lease_text(store, view, status.name, always=True):
        soon = lease_text(store, view, status.name)
        lines.append(entry("Lease", lease.removeprefix("lease "), Tone.WARN if soon else Tone.PLAIN))
    return lines


def _runtime(view: NodeView, status: InstanceStatus) -> list[Line]:
    """Nothing for a program on the PATH, as long as nobody wants another."""
    owned = view.desired.instances.get(status.name)
    wanted = owned.spec.runtime if owned else None
    if not (wanted or status.runtime):
        return []
    version = f"   version {status.version}" if status.version else ""
    if wanted in (None, status.runtime):
        return [entry("Runtime", f"{status.runtime}{version}")]
    if status.pid is None:
        return [entry("Runtime", f"{wanted} wanted")]
    running = f"{status.runtime or 'the program on the PATH'}{version}"
    return [entry("Runtime", f"{running}   wanted: {wanted}", Tone.WARN)]


def _cordons(store: Store, view: NodeView, status: InstanceStatus) -> list[str]:
    """Of its node and its GPUs: it stays and may start again, elsewhere nothing of its service is placed there."""
    now, cordons = store.wall() + view.clock_skew_s, view.desired.cordons
    places = (NODE, *(held.gpu_uuid for held in status.slices))
    return [said(key, cordons[key], now) for key in places if key in cordons]


def _serving(status: InstanceStatus, width: int) -> list[Line]:
    reading = status.reading
    if reading is None:
        unread = "it sleeps" if status.phase is Phase.SLEEPING else "the engine is not up, or has not been asked yet"
        return [entry("Serving", f"no reading: {unread}", Tone.DIM)]
    rates = (
        ("requests/s", "requests_per_s", rate(reading.requests_per_s)),
        ("failed/s", "failed_per_s", rate(reading.failed_per_s)),
        ("tokens/s", "generation_tok_s", number(reading.generation_tok_s)),
    )
    levels = (
        ("running", "running", number(reading.running)),
        ("queue", "waiting", number(reading.waiting)),
        ("KV", "kv_usage_ratio", percent(reading.kv_usage_ratio)),
        ("cache hits", "prefix_cache_hit_ratio", percent(reading.prefix_cache_hit_ratio)),
        ("preempted/s", "preemptions_per_s", rate(reading.preemptions_per_s)),
    )
    lines = [
        entry(label, "   ".join(f"{name} {NOT_AVAILABLE if field in reading.absent else text}"
                                 for name, field, text in figures))
        for label, figures in (("Serving", rates), ("", levels))
    ]  # fmt: skip
    if reading.finished_per_s:
        ends = (f"{reason} {rate(count)}" for reason, count in sorted(reading.finished_per_s.items()))
        lines.append(entry("Ended by", "   ".join(ends) + "   per second"))
    for name, field, _ in (*rates, *levels):
        if why := reading.absent.get(field):
            lines += long_entry("", f"{name} {NOT_AVAILABLE}: {why}", width, Tone.DIM)
    return lines


def _canary(store: Store, view: NodeView, status: InstanceStatus, width: int) -> list[Line]:
    canary = status.canary
    if canary is None:
        return []
    ago = age(store.wall() + view.clock_skew_s - canary.at_unix_s)
    if canary.error:
        text = f"failed {ago} ago: {canary.error}"
        return long_entry("Canary", text, width, Tone.BAD)
    failed = f", {canary.failed} failed" if canary.failed else ""
    text = f"first token after {seconds(canary.ttft_s)} {ago} ago; p95 {seconds(canary.ttft_p95_s)} of the last"
    return long_entry("Canary", f"{text} {canary.asked}{failed}", width, Tone.WARN if failed else Tone.PLAIN)


def _told(store: Store, key: Key) -> list[Latency]:
    told = store.recorded.latency.get(key)
    return [told] if told else []


def _wanted(view: NodeView, status: InstanceStatus, width: int) -> list[Line]:
    owned = view.desired.instances.get(status.name)
    if owned is None:
        return [entry("Wanted", "nobody asks for this instance any more", Tone.WARN)]
    spec = owned.spec
    lines = [
        entry("Wanted", f"{spec.wanted}   by {owned.profile} r{owned.revision}   generation {view.desired.generation}")
    ]
    if owned.revision != status.revision:
        lines.append(entry("Running", f"r{status.revision}: not yet what is wanted", Tone.WARN))
    return [*lines, *long_entry("Options", _options(spec), width, Tone.DIM)]


def _options(spec: InstanceSpec) -> str:
    return "  ".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in spec.options.items()) or "none"


def _events(store: Store, view: NodeView, name: str) -> list[Line]:
    mine = [event for event in view.events if event.instance == name][-8:]
    if not mine:
        return [entry("Events", "none of this instance since this console connected", Tone.DIM)]
    return [
        entry(
            "Events" if at == 0 else "",
            f"{moment(event.at_unix_s - view.clock_skew_s, store.wall())}  {event.text}  {event.author}",
        )
        for at, event in enumerate(reversed(mine))
    ]
