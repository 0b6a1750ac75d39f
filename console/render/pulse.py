"""The start screen as lines: what is wrong, and what changed last."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice

from rich.cells import cell_len

from console.render.bill import over_text
from console.render.burn import BAD_TIMES, burning, burns, times
from console.render.figures import moment
from console.render.fit import Line, fit
from console.render.gpus import is_shared_with_strangers
from console.render.gpusigns import throttled
from console.render.leases import lease_text
from console.render.nodes import state_cell
from console.render.table import Tone
from console.render.text import age
from console.spending import over_budget
from console.store import NodeView, Store
from profiles.observed.finding import Severity
from profiles.observed.gpuhealth import SAID
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import PROBLEM, Event, GpuState


def problems(store: Store) -> list[tuple[str, Tone]]:
    """One short text per thing that somebody should look at, worst first."""
    found: list[tuple[int, str, Tone]] = []
    for view in store.nodes.values():
        tone = state_cell(view).tone
        if tone in (Tone.BAD, Tone.WARN):
            since = age(store.age_s(view)) if view.received_at_s is not None else ""
            found.append((0, f"{view.name} {view.state} {since}".strip(), tone))
        if view.doubt:
            found.append((0, f"{view.name} {view.doubt.text}", Tone.BAD))
        for trouble in view.status.troubles if view.status else ():
            found.append((0, f"{view.name} {trouble.text}", Tone.BAD))
        for status in view.instances.values():
            if status.phase in PROBLEM:
                since = age(store.wall() + view.clock_skew_s - status.since_unix_s)
                found.append((1, f"{status.name} {status.phase} {since} on {view.name}", Tone.BAD))
            elif (rate := burns(view, status)[0]) is not None and rate.low >= BAD_TIMES:
                found.append((2, f"{status.name} burns {times(rate)}: {burning(view, status)}", Tone.BAD))
            if lease := lease_text(store, view, status.name):
                found.append((5, f"{status.name} {lease}", Tone.WARN))
        for gpu in view.gpus.values():
            if gpu.state is GpuState.LOST:
                found.append((3, f"{view.name} gpu{gpu.index} lost", Tone.BAD))
            elif gpu.health is not GpuHealth.OK and gpu.health_reason:
                tone = Tone.BAD if gpu.health is GpuHealth.DRAIN else Tone.WARN
                found.append((3, f"{view.name} gpu{gpu.index} {SAID[gpu.health]}: {gpu.health_reason.text}", tone))
            elif reason := throttled(gpu):
                found.append((4, f"{view.name} gpu{gpu.index} throttled: {reason}", Tone.WARN))
            elif is_shared_with_strangers(gpu):
                found.append((5, f"{view.name} gpu{gpu.index} foreign process", Tone.WARN))
    found += [(6, over_text(one), Tone.WARN) for one in over_budget(store)]
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
        left = len(found) - at - 1
        room = width - used - 3 - len(_more(left))
        if at and cell_len(text) > room:
            spans.append((_more(left + 1), Tone.DIM))
            break
        shown = fit(text, max(1, min(room, cell_len(text))))
        spans.append((f"   {shown}", tone))
        used += 3 + cell_len(shown)
    return [tuple(spans)]


def event_tone(event: Event) -> Tone:
    return {Severity.PROBLEM: Tone.BAD, Severity.WARNING: Tone.WARN}.get(event.severity or Severity.INFO, Tone.PLAIN)


def _newest_first(view: NodeView) -> Iterator[tuple[float, str, Event]]:
    return ((event.at_unix_s - view.clock_skew_s, view.name, event) for event in reversed(view.events))


def _more(count: int) -> str:
    return f"   … {count} more" if count else ""


def changes(store: Store, count: int) -> list[Line]:
    """The newest events of all nodes, newest first, in this console's clock."""
    newest = merge(*map(_newest_first, store.nodes.values()), key=lambda one: one[0], reverse=True)
    events = list(islice(newest, count))
    lines: list[Line] = [((" Changes", Tone.DIM),)]
    for at, node, event in events:
        what = f"{event.instance}  {event.text}" if event.instance else event.text
        by = f"   {event.author}" if event.author else ""
        lines.append(
            (
                (f" {moment(at, store.wall())}  ", Tone.DIM),
                (f"{node:<12.12}  {what}", event_tone(event)),
                (by, Tone.DIM),
            )
        )
    if not events:
        lines.append(((" none since this console connected", Tone.DIM),))
    return lines
