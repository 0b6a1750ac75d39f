"""One node in full, as lines."""

from console.render.cordons import node_cordons
from console.render.entries import entry, long_entry
from console.render.figures import moment
from console.render.fit import Line, cut
from console.render.gpus import gpu_state, tenants
from console.render.instances import instance_why, phase_cell, where
from console.render.nodes import label_words, state_cell
from console.render.table import Tone, natural
from console.render.text import UNKNOWN, age, gib, number, percent
from console.store import NodeState, NodeView, Store
from profiles.observed.status import Event, HostReading, NodeStatus

EVENTS_SHOWN = 8


def node_lines(store: Store, name: str, width: int) -> list[Line]:
    """How it is reached, the machine, its agent, its GPUs, what runs there, what happened."""
    view = store.nodes[name]
    lines = _state(store, view, width)
    if (status := view.status) is None:
        return lines
    lines += [
        (),
        *_machine(status.host),
        *_agent(view, status, width),
        (),
        *_gpus(store, view, status, width),
        (),
        *_instances(store, view),
        (),
        *_events(store, view),
    ]
    return [cut(line, width) for line in lines]


def _state(store: Store, view: NodeView, width: int) -> list[Line]:
    state = state_cell(view)
    is_old = view.status is not None and view.state is not NodeState.UP
    old = f"   all below is as of {age(store.age_s(view))} ago" if is_old else ""
    lines = [entry("State", f"{state.text.strip()}{old}", state.tone)]
    troubles = [view.why, view.doubt, *(view.status.troubles if view.status else ())]
    for why in filter(None, troubles):
        lines += long_entry("Why", why.text, width, Tone.BAD)
        lines += long_entry("", why.hint, width, Tone.DIM) if why.hint else []
    for text in node_cordons(view, store.wall()):
        lines += long_entry("Cordoned", text, width)
    named = (("site", view.site), ("owner", view.owner), ("labels", label_words(view.labels)))
    if words := "   ".join(f"{what} {text}" for what, text in named if text):
        lines += long_entry("Inventory", words, width)
    trip = UNKNOWN if view.round_trip_s is None else f"{1000 * view.round_trip_s:.1f} ms"
    return [*lines, entry("Link", f"{view.way or UNKNOWN}   as {view.role}   round trip {trip}")]


def _machine(host: HostReading) -> list[Line]:
    load = UNKNOWN if host.load_1m is None else f"{host.load_1m:.1f}"
    memory = f"memory {gib(host.memory_used_mib)} of {gib(host.memory_total_mib)} GiB"
    return [entry("Machine", f"{host.cores} cores   CPU {percent(host.cpu_ratio)}   load {load}   {memory}")]


def _agent(view: NodeView, status: NodeStatus, width: int) -> list[Line]:
    """Its version and cost, who keeps it and its engines, and what would be better."""
    host = status.host
    cost = UNKNOWN if host.agent_cpu_ratio is None else f"{100 * host.agent_cpu_ratio:.1f}%"
    held = f"{number(host.agent_memory_mib)} MiB"
    lines = [
        entry("Agent", f"{status.agent_version} on {status.hostname}   {cost} of a core   {held}"),
        entry("Generation", str(view.desired.generation)),
    ]
    if status.kept:
        lines.append(entry("Kept by", status.kept.text()))
        lines += long_entry("", status.kept.fix, width, Tone.DIM) if status.kept.fix else []
    if status.isolation:
        lines.append(entry("Isolation", status.isolation.tier.replace("_", " ")))
        for tier, why in status.isolation.better.items():
            lines += long_entry("", f"not {tier.replace('_', ' ')}: {why}", width, Tone.DIM)
    return lines


def _gpus(store: Store, view: NodeView, status: NodeStatus, width: int) -> list[Line]:
    lines = long_entry("GPUs", status.gpu_source.note, width, Tone.DIM) if status.gpu_source.note else []
    for gpu in sorted(view.gpus.values(), key=lambda one: one.index):
        state = gpu_state(view, gpu, store.age_s(view))
        text = (
            f"gpu{gpu.index:<3} {state.text:<13} {percent(gpu.busy_ratio):>4}"
            f"{gib(gpu.memory_used_mib):>7} of {gib(gpu.memory_total_mib)} GiB   {', '.join(tenants(gpu))}"
        )
        lines.append(entry("" if lines else "GPUs", text.rstrip(), state.tone))
    return lines or [entry("GPUs", "none", Tone.DIM)]


def _instances(store: Store, view: NodeView) -> list[Line]:
    found = sorted(view.instances.values(), key=lambda one: natural(one.name))
    lines: list[Line] = []
    longest = max((len(one.name) for one in found), default=0)
    for status in found:
        phase = phase_cell(status)
        place = where(status, "").strip()
        text = f"{status.name:<{longest}}  {phase.text:<11} {place:<8}  {instance_why(store, view, status)}".rstrip()
        lines.append(entry("" if lines else "Instances", text, phase.tone))
    return lines or [entry("Instances", "none", Tone.DIM)]


def _events(store: Store, view: NodeView) -> list[Line]:
    lines: list[Line] = []
    for event in list(view.events)[-EVENTS_SHOWN:][::-1]:
        at = moment(event.at_unix_s - view.clock_skew_s, store.wall())
        lines.append(entry("" if lines else "Events", f"{at}  {_about(event)}"))
    return lines or [entry("Events", "none since this console connected", Tone.DIM)]


def _about(event: Event) -> str:
    return "  ".join(filter(None, (event.instance, event.text, event.author)))
