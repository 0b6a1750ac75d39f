"""One service in full, as lines: its replicas together, and each of them."""

from console.render.burn import burn_cell, burns, times
from console.render.entries import LABEL, entry, long_entry
from console.render.figures import first_token, moment
from console.render.fit import Line
from console.render.gateways import member_lines, served_lines
from console.render.goodput import good_cell
from console.render.instances import phase_cell, where
from console.render.money import dollars
from console.render.services import WITHIN, ServiceView, service_row, service_view
from console.render.table import Tone
from console.render.text import NOT_AVAILABLE, UNKNOWN, number, percent, plural, rate
from console.render.windows import latency_lines
from console.spending import per_million
from console.store import Key, Store
from profiles.latency.burn import Burn

_BURNS = ("1 min", "5 min", "1 h")


def service_lines(store: Store, key: Key, width: int) -> list[Line]:
    """What is known of `key`: state, load, latency, burn, money, replicas. A service that is gone says so."""
    view, row = service_view(store, key), service_row(store, key)
    if view is None or row is None:
        return [(), ((f" {key.name} has no replica any more: esc goes back", Tone.DIM),)]
    members = [(store.nodes[member.node], member) for member in store.members(key)]
    counted = [(node, node.instances[member.name]) for node, member in members if node.counted]
    readings = [status.reading for _, status in counted if status.reading is not None]
    told = [past for _, member in members if (past := store.recorded.latency.get(member)) is not None]
    return [
        *_state(store, view, width),
        (),
        *_serving(view),
        (),
        _burning(view.burns),
        _money(view),
        (),
        *latency_lines(readings, told, width),
        (),
        *_fronts(store, key, width),
        *_replicas(store, key),
    ]


def _fronts(store: Store, key: Key, width: int) -> list[Line]:
    """A gateway's own members, or the gateways before it."""
    own = [one for member in store.members(key) if (one := store.nodes[member.node].instances[member.name].gateway)]
    return [line for one in own for line in (*member_lines(one, width), ())] or served_lines(store, key, width)


def _state(store: Store, view: ServiceView, width: int) -> list[Line]:
    ready = f"{view.ready} of {view.wanted} ready"
    return [
        entry(
            "Service", f"{view.name}   {ready}   worst: {view.worst} since {moment(view.since_unix_s, store.wall())}"
        ),
        *(long_entry("Why", f"{view.where}: {view.why}", width) if view.why not in ("", WITHIN) else []),
        entry("Engine", f"{view.engine}   {view.model}"),
        entry("Profile", f"{view.profile}   on {', '.join(view.nodes)}"),
    ]


def _serving(view: ServiceView) -> list[Line]:
    does = view.traffic
    lines = (
        ("Serving", (
            ("requests/s", "requests_per_s", rate(does.requests_per_s)),
            ("errors", "failed_per_s", percent(does.error_ratio)),
            ("within targets/s", "", good_cell(view.goodput).text),
        )),
        ("Tokens/s", (("in", "prompt_tok_s", number(does.prompt_tok_s)),
                      ("out", "generation_tok_s", number(does.generation_tok_s)))),
        ("", (
            ("running", "running", number(does.running)), ("queue", "waiting", number(does.waiting)),
            ("KV", "kv_usage_ratio", percent(view.kv_usage_ratio)),
            ("cache hits", "prefix_cache_hit_ratio", percent(does.prefix_cache_hit_ratio)),
            ("preempted/s", "preemptions_per_s", rate(does.preemptions_per_s)),
        )),
    )  # fmt: skip
    return [
        entry(label, "   ".join(f"{name} {NOT_AVAILABLE if field in view.absent else text}"
                                for name, field, text in figures))
        for label, figures in lines
    ]  # fmt: skip


def _burning(found: tuple[Burn | None, ...]) -> Line:
    """Each window in its own tone: the minute may be over while the hour still hurts."""
    spans = [(f"{name} {UNKNOWN if one is None else times(one)}   ", burn_cell(one).tone)
             for name, one in zip(_BURNS, found, strict=True)]  # fmt: skip
    return ((f" {'Burn':<{LABEL}}", Tone.DIM), *spans, ("of the worst replica", Tone.DIM))


def _money(view: ServiceView) -> Line:
    if view.microusd_h is None:
        return entry("Money", "no GPU of it has a price", Tone.DIM)
    million = per_million(view.microusd_h, [view.traffic.generation_tok_s])
    tokens = "" if million is None else f"   {dollars(million)} for a million tokens made"
    return entry("Money", f"{dollars(view.microusd_h)} an hour{tokens}")


def _replicas(store: Store, key: Key) -> list[Line]:
    members = list(store.members(key))
    lines: list[Line] = [((f" {plural(len(members), 'replica')}", Tone.DIM),)]
    for member in members:
        node = store.nodes[member.node]
        status = node.instances[member.name]
        phase, burnt = phase_cell(status), burn_cell(burns(node, status)[0])
        lines.append(
            (
                (f" {status.name:<20} ", Tone.PLAIN),
                (f"{phase.text:<12}", phase.tone),
                (f"{where(status, node.name):<18}TTFT p95 {first_token(status).text:>10}   ", Tone.PLAIN),
                (f"burn {burnt.text}", burnt.tone),
            )
        )
    return lines
