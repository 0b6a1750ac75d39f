"""The start screen as lines: what is wrong, and what changed last."""

from console.render.figures import moment
from console.render.fit import Line
from console.render.nodes import node_row
from console.render.table import Tone
from console.render.text import age
from console.store import Key, Kind, Store
from profiles.status import PROBLEM, GpuState


def problems(store: Store) -> list[tuple[str, Tone]]:
    """One short text per thing that somebody should look at, worst first."""
    found: list[tuple[int, str, Tone]] = []
    for view in store.nodes.values():
        row = node_row(store, Key(Kind.NODE, view.name))
        if row is not None and row.is_problem:
            since = age(store.age_s(view)) if view.received_at_s is not None else ""
            found.append((0, f"{view.name} {view.state} {since}".strip(), row.cells[0].tone))
        if view.doubt:
            found.append((0, f"{view.name} {view.doubt.text}", Tone.BAD))
        for trouble in view.status.troubles if view.status else ():
            found.append((0, f"{view.name} {trouble.text}", Tone.BAD))
        for status in view.instances.values():
            if status.phase in PROBLEM:
                since = age(store.wall() + view.clock_skew_s - status.since_unix_s)
                found.append((1, f"{status.name} {status.phase} {since}", Tone.BAD))
        for gpu in view.gpus.values():
            if gpu.state is GpuState.LOST:
                found.append((2, f"{view.name} gpu{gpu.index} lost", Tone.BAD))
            elif gpu.throttle:
                found.append((3, f"{view.name} gpu{gpu.index} {gpu.throttle[0]} throttle", Tone.WARN))
            elif any(process.instance is None for process in gpu.processes):
                found.append((4, f"{view.name} gpu{gpu.index} foreign process", Tone.WARN))
    found.sort(key=lambda one: one[0])
    return [(text, tone) for _, text, tone in found]


def problem_line(store: Store, width: int) -> list[Line]:
    """`Problems 3   1 …   2 …`; no line at all on an ordinary day."""
    found = problems(store)
    if not found:
        return []
    spans: list[tuple[str, Tone]] = [(f" Problems {len(found)}", Tone.BAD)]
    used = len(spans[0][0])
    for at, (text, tone) in enumerate(found):
        more = f"   … {len(found) - at} more"
        if used + len(text) + 3 + (len(more) if at + 1 < len(found) else 0) > width:
            spans.append((more, Tone.DIM))
            break
        spans.append((f"   {text}", tone))
        used += len(text) + 3
    return [tuple(spans)]


def changes(store: Store, count: int) -> list[Line]:
    """The newest events of all nodes, newest first, in this console's clock."""
    events = [
        (event.at_unix_s - view.clock_skew_s, view.name, event)
        for view in store.nodes.values()
        for event in list(view.events)[-count:]
    ]
    events.sort(key=lambda one: one[0], reverse=True)
    lines: list[Line] = [((" Changes", Tone.DIM),)]
    for at, node, event in events[:count]:
        what = f"{event.instance}  {event.text}" if event.instance else event.text
        by = f"   {event.author}" if event.author else ""
        lines.append(
            ((f" {moment(at, store.wall())}  ", Tone.DIM), (f"{node:<12.12}  {what}", Tone.PLAIN), (by, Tone.DIM))
        )
    if not events:
        lines.append(((" none since this console connected", Tone.DIM),))
    return lines
