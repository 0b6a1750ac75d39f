"""From the rings and files of the history to an answer of bounded size.

A time of day is put on here: that of now less the age, so a clock that is set moves everything of this boot alike.
What another boot wrote keeps the time that it had, as long as that is before all that follows it; the rest has no
place in the order and is left out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from math import ceil, floor

import msgspec

from agents import wire
from agents.errors import Refused
from agents.past.columns import Grid, Series
from agents.past.history import History
from agents.past.segments import Placed
from agents.past.steps import STEP_SLOTS, InstanceStep, Values, histogram_of, values_of
from profiles.observed.history import FIELDS, HISTOGRAMS, NAN, PHASE_AT, PHASES, HistoryKind, Name

MAX_ANSWER_BYTES = 900 * 1024
"""Of a frame's 1 MiB."""
MAX_STEPS = 2000
LONGEST_S = 7 * 86_400.0

Wanted = Callable[[str], Series | None]
"""The series of a name, made when it is first seen; None for one that nobody asked for."""

_PHASE_CODES = {str(phase): float(code) for code, phase in enumerate(PHASES)}


async def recall(history: History, ask: wire.ReadHistory) -> wire.History:
    """As much of what is asked as fits one answer. Raises Refused."""
    fields = ask.fields or tuple(FIELDS[ask.kind])
    _check(ask, fields)
    step_s = max(1.0, ask.step_s)
    if any(field in HISTOGRAMS for field in fields):
        step_s = max(step_s, float(STEP_SLOTS))
    now_unix_s = (floor(history.unix_s(history.slot) / step_s) + 1) * step_s  # the end of the step that is going on
    to_unix_s = now_unix_s if ask.to_unix_s is None else min(ask.to_unix_s, now_unix_s)
    from_unix_s = ask.from_unix_s if ask.from_unix_s is not None else to_unix_s - ask.last_s
    from_unix_s = floor(max(from_unix_s, now_unix_s - LONGEST_S) / step_s) * step_s
    total = max(0, ceil((to_unix_s - from_unix_s) / step_s))
    steps = min(total, MAX_STEPS)
    while True:
        grid = Grid(from_unix_s, step_s, steps)
        async with history.asking:
            found = await _read(history, ask.kind, ask.names, fields, grid)
        answer = wire.History(
            from_unix_s=from_unix_s,
            step_s=step_s,
            steps=steps,
            series=tuple(one.result() for one in found),
            next_from_unix_s=grid.to_unix_s if steps < total else None,
        )
        size = len(msgspec.json.encode(answer))
        if size <= MAX_ANSWER_BYTES:
            return answer
        if steps == 1:
            raise Refused(
                "invalid", "not even one step of all this fits an answer", "name fewer of them, or fewer fields"
            )
        steps = max(1, int(steps * 0.9 * MAX_ANSWER_BYTES / size))


def _check(ask: wire.ReadHistory, fields: Sequence[str]) -> None:
    known = (*FIELDS[ask.kind], *(HISTOGRAMS if ask.kind is HistoryKind.INSTANCE else ()))
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise Refused(
            "invalid", f"the history of a {ask.kind} has no {unknown[0][:40]!r}", f"it has {', '.join(known)}"
        )


async def _read(
    history: History, kind: HistoryKind, names: Sequence[str], fields: Sequence[str], grid: Grid
) -> list[Series]:
    found: dict[str, Series] = {}
    named = frozenset(names)

    def wanted(name: str) -> Series | None:
        if named and name not in named:
            return None
        if name not in found:
            found[name] = Series((kind, name), fields, grid)
        return found[name]

    begin = history.rings.begin(history.slot)
    fine_from_unix_s = history.unix_s(begin)
    if grid.from_unix_s < fine_from_unix_s or any(field in HISTOGRAMS for field in fields):
        async for at_unix_s, placed in from_disk(history, grid.from_unix_s, grid.to_unix_s):
            _add_step(kind, wanted, grid, at_unix_s, placed, values=at_unix_s < fine_from_unix_s)
    for name in history.rings.names():
        if name[0] is kind and (one := wanted(name[1])):
            _add_fine(history, name, one, begin, grid)
            await asyncio.sleep(0)
    return [found[name] for name in sorted(found)]


def _add_fine(history: History, name: Name, series: Series, begin: int, grid: Grid) -> None:
    """From memory: a point a second."""
    offset_s = history.unix_s(0)
    first = max(begin, floor(grid.from_unix_s - offset_s))
    end = min(history.slot + 1, ceil(grid.to_unix_s - offset_s) + 1)
    columns = [history.rings.read(name, at, first, end) for at in range(len(FIELDS[name[0]]))]
    for slot, values in enumerate(zip(*columns, strict=True), first):
        series.add(slot + offset_s, values)


async def from_disk(history: History, from_unix_s: float, to_unix_s: float) -> AsyncIterator[tuple[float, Placed]]:
    """Newest first, with when each began; a little of what is older may come after."""
    limit_unix_s = history.unix_s(history.slot + 1)
    for path in reversed(history.segments.paths()):
        await asyncio.sleep(0)  # to decode an hour takes milliseconds: others may go between
        for placed in reversed(history.segments.read(path)):
            step = placed.step
            at_unix_s = history.unix_s(step.slot) if placed.boot_id == history.boot_id else step.at_unix_s
            if at_unix_s >= limit_unix_s:
                continue
            limit_unix_s = at_unix_s
            if at_unix_s < to_unix_s:
                yield at_unix_s, placed
        if limit_unix_s + STEP_SLOTS < from_unix_s:
            return


def _add_step(kind: HistoryKind, wanted: Wanted, grid: Grid, at_unix_s: float, placed: Placed, *, values: bool) -> None:
    """From disk: ten seconds, which stand for each of the shorter steps that were asked for within them."""
    times = [at_unix_s]
    while times[-1] + grid.step_s < at_unix_s + STEP_SLOTS:
        times.append(times[-1] + grid.step_s)
    for name, kept in _kept(kind, placed):
        series = wanted(name)
        if series is None:
            continue
        if isinstance(kept, InstanceStep):
            known = values_of(kept.values, len(FIELDS[kind]) - 1)
            known.insert(PHASE_AT, _PHASE_CODES.get(kept.phase or "", NAN))
            for field, one in kept.counted.items():
                if histogram := histogram_of(one, placed.bounds.get(one.bounds, ())):
                    series.add_histogram(at_unix_s, field, histogram)
        else:
            known = values_of(kept, len(FIELDS[kind]))
        for at in times if values else ():
            series.add(at, known)


def _kept(kind: HistoryKind, placed: Placed) -> Sequence[tuple[str, Values | InstanceStep]]:
    step = placed.step
    match kind:
        case HistoryKind.HOST:
            return [("", step.host)]
        case HistoryKind.GPU:
            return list(step.gpus.items())
        case HistoryKind.INSTANCE:
            return list(step.instances.items())
