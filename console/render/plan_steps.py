"""The steps of a plan as lines: replicas that fare alike are one entry."""

import re
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import NamedTuple

from console.render.fit import Line
from console.render.slices import amount, enforcement
from console.render.table import Tone
from console.render.text import UNKNOWN, age, one_line, plural
from profiles.observed.traits import TRAITS, Way, way
from profiles.plans.plan import Action, Change, Effect, Plan, Step

SIGNS = {
    Action.KEEP: "=", Action.START: "+", Action.STOP: "-", Action.DRAIN: "↓", Action.REPLACE: "±", Action.LIVE: "~",
    Action.SLEEP: "z", Action.WAKE: "^", Action.PRUNE: "×", Action.MOVE: "→", Action.CORDON: "⊘", Action.UNCORDON: "○",
    Action.PREEMPT: "!",
}  # fmt: skip
_WARNED = frozenset({Action.PRUNE, Action.PREEMPT})
SHOWN_NODES = 3
_PLACE = "gpus"
"""The key of a change that replicas never share."""
_UUID = re.compile(r"\([^()]*\)")
"""Of a GPU behind its index: left out where the indexes tell."""


class Entry(NamedTuple):
    """Steps that are told together: one, or several replicas of a service that fare alike."""

    steps: tuple[Step, ...]

    @property
    def first(self) -> Step:
        return self.steps[0]

    def head(self) -> str:
        """`± replace  llama-70b (4)  on fra-1, fra-2`."""
        first = self.first
        if len(self.steps) == 1:
            name, where = first.instance, f"{first.from_node} → {first.node}" if first.from_node else f"on {first.node}"
        else:
            name = f"{_service(first)} ({len(self.steps)})"
            nodes = sorted({step.node for step in self.steps})
            where = f"on {', '.join(nodes)}" if len(nodes) <= SHOWN_NODES else f"on {plural(len(nodes), 'node')}"
        cause = f"  for {first.preempted_for}" if first.preempted_for else ""
        return f"{SIGNS[first.action]} {first.action:<8} {name}  {where}{cause}"

    def changes(self) -> tuple[Change, ...]:
        return self.first.changes if len(self.steps) == 1 else _shared(self.first)


def entries(plan: Plan) -> list[Entry]:
    """All that changes, in the order of the plan."""
    found: dict[object, list[Step]] = {}
    for step in plan.steps:
        if step.action is not Action.KEEP:
            found.setdefault(_likeness(step), []).append(step)
    return [Entry(tuple(steps)) for steps in found.values()]


def entry_lines(entry: Entry) -> Iterator[Line]:
    """The first one is the entry itself; what is to be known of it stands below, further in."""
    first = entry.first
    yield (("  ", Tone.PLAIN), (entry.head(), Tone.WARN if first.action in _WARNED else Tone.PLAIN))
    if first.action in (Action.REPLACE, Action.MOVE, Action.LIVE, Action.CORDON):
        shown = entry.changes()
    else:
        shown = tuple(change for change in entry.changes() if change.by_hand)
    for change in shown:
        yield _below(change_text(first.action, change), Tone.WARN if change.by_hand else Tone.PLAIN)
    yield from _parts(entry)
    if text := effect_text([step.effect for step in entry.steps if step.effect]):
        yield _below(text, Tone.PLAIN)
    if first.waits:
        yield _below(f"! it will wait: {first.waits.text}", Tone.WARN)
    for limit, why in first.not_enforced.items():
        yield _below(f"! {limit} is not enforced: {why}", Tone.WARN)


def change_text(action: Action, change: Change) -> str:
    """`options.max_num_seqs: 64 → 96 (restart, edited by hand since the last apply)`."""
    said = [("restart" if change.restarts else "live")] if action in (Action.REPLACE, Action.MOVE) else []
    if change.by_hand:
        said.append("edited by hand since the last apply")
    note = f" ({', '.join(said)})" if said else ""
    old, new = change.old, change.new
    if change.key == _PLACE and (short := _UUID.sub("", old)) != _UUID.sub("", new):
        old, new = short, _UUID.sub("", new)
    return f"{change.key}: {old or UNKNOWN} → {new or UNKNOWN}{note}"


def effect_text(effects: Sequence[Effect]) -> str:
    """`310 requests in flight; 38s until it serves again`; "" where nothing that runs is ended."""
    if not effects:
        return ""
    known = [effect.in_flight for effect in effects if effect.in_flight is not None]
    flying = plural(sum(known), "request") if len(known) == len(effects) else "an unknown number of requests"
    text = f"{flying} in flight"
    if not effects[0].comes_back:
        return text
    away = [effect.away_s for effect in effects if effect.away_s is not None]
    each = "it serves" if len(effects) == 1 else "each serves"
    if len(away) < len(effects):
        return f"{text}; until {each} again: unknown, no load like it was measured"
    longest = ceil(max(away))
    return f"{text}; {age(longest)} until {each} again" if longest else f"{text}; no capacity lost: both fit meanwhile"


def _parts(entry: Entry) -> Iterator[Line]:
    several = len(entry.steps) > 1
    for part in entry.first.slices:
        if part.memory_mib is not None or part.mig is not None:
            where = "each" if several else f"gpu{part.gpu_index}"
            yield _below(f"{where}: {amount(part)}, {enforcement(part)}", Tone.PLAIN)
        if way(part) is Way.MPS:
            yield _below(f"! faults kept apart: {TRAITS[Way.MPS].faults}", Tone.WARN)


def _below(text: str, tone: Tone) -> Line:
    return (("      ", Tone.PLAIN), (one_line(text), tone))


def _likeness(step: Step) -> object:
    """Equal for steps that one entry can tell."""
    if "/" not in step.instance:
        return (step.node, step.instance)
    parts: Iterable[object] = ((amount(part), enforcement(part), way(part)) for part in step.slices)
    waits = step.waits.text if step.waits else ""
    alike = (step.action, step.preempted_for, _service(step), _shared(step))
    return (*alike, tuple(parts), tuple(step.not_enforced.items()), waits)


def _shared(step: Step) -> tuple[Change, ...]:
    return tuple(change for change in step.changes if change.key != _PLACE)


def _service(step: Step) -> str:
    return step.instance.rpartition("/")[0]
