"""The head of a profile's page: what stands, what it costs, and its services."""

from console.render.entries import entry
from console.render.fit import Line, cut
from console.render.money import dollars
from console.render.profiles import drift_cell, profile_view
from console.render.services import services
from console.render.table import Tone
from console.render.text import UNKNOWN, age
from console.store import Store

SHOWN_SERVICES = 6


def profile_lines(store: Store, name: str, width: int) -> list[Line]:
    view = profile_view(store, name)
    number = f"r{view.numbers[0]}" if view.numbers else "no revision on record"
    by = f"   by {view.author or 'nobody'} {age(view.age_s)} ago" if view.numbers else ""
    money = UNKNOWN if view.microusd_h is None else f"{dollars(view.microusd_h)} an hour"
    lines = [entry("Profile", f"{name}   {number}{by}   {view.ready}/{view.wanted} ready   {money}")]
    if (drift := drift_cell(view)).text:
        where = f" by hand: {', '.join(view.edited_on)}" if view.edited_on else ": nodes are at different revisions"
        lines.append(entry("Drift", f"{drift.text}{where}   `gpuyard drift {name}` has the keys", Tone.WARN))
    ours = [one for one in services(store) if one.profile == name]
    for at, one in enumerate(ours[:SHOWN_SERVICES]):
        text = f"{one.name:<16} {one.ready}/{one.wanted}  {one.worst:<9} {one.engine:<10} {', '.join(one.nodes)}"
        lines.append(entry("" if at else "Services", text, Tone.PLAIN if one.ready >= one.wanted else Tone.WARN))
    if len(ours) > SHOWN_SERVICES:
        lines.append(entry("", f"and {len(ours) - SHOWN_SERVICES} more: 4 has them all", Tone.DIM))
    return [cut(line, width) for line in (*lines, ())]
