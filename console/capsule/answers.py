"""What a node would have answered at a moment of its capsule. Pure: None for what no capsule holds."""

from collections.abc import Iterable

from msgspec.structs import replace

from agents.wire import (
    AnyAnswer,
    AnyAsk,
    History,
    LogPiece,
    ReadHistory,
    ReadLog,
    ReadRevision,
    ReadRevisions,
    Revisions,
)  # fmt: skip
from console.capsule.pack import NodeCapsule
from profiles.observed.history import HISTOGRAMS, HistogramSeries, HistorySeries


def answer(node: NodeCapsule, ask: AnyAsk, now_unix_s: float) -> AnyAnswer | None:
    """`now_unix_s` is of the node's clock: nothing of later is told, but for logs, whose lines have no times."""
    match ask:
        case ReadHistory():
            return _history(node, ask, now_unix_s)
        case ReadLog() if ask.instance in node.logs and not ask.previous:
            text = node.logs[ask.instance]
            end = len(text.encode())
            return LogPiece(text="" if ask.offset else text, offset=ask.offset or 0, next_offset=end)
        case ReadRevisions():
            kept = tuple(one for one in node.revisions.revisions if (one.at_unix_s or 0.0) <= now_unix_s)
            return Revisions(revisions=kept)
        case ReadRevision():
            stood = [one for one in node.documents if one.head.generation <= ask.generation]
            return stood[-1] if stood else None
        case _:
            return None


def _history(node: NodeCapsule, ask: ReadHistory, now_unix_s: float) -> History:
    """One piece that is kept, cut to what was asked for; its steps may be shorter than the asked ones."""
    pieces = node.latencies if set(ask.fields) & set(HISTOGRAMS) else node.history.get(ask.kind, ())
    to_unix_s = min(now_unix_s, ask.to_unix_s or now_unix_s)
    from_unix_s = to_unix_s - ask.last_s if ask.from_unix_s is None else ask.from_unix_s
    held = [one for one in pieces if one.from_unix_s < to_unix_s and _end(one) > from_unix_s]
    if not held:
        return History(from_unix_s=from_unix_s, step_s=ask.step_s, steps=0, series=())
    piece = _cut(held[0], from_unix_s, to_unix_s, ask)
    return replace(piece, next_from_unix_s=held[1].from_unix_s if len(held) > 1 else None)


def _end(piece: History) -> float:
    return piece.from_unix_s + piece.step_s * piece.steps


def _cut(piece: History, from_unix_s: float, to_unix_s: float, ask: ReadHistory) -> History:
    """The steps that are over by then."""
    first = max(0, int((from_unix_s - piece.from_unix_s) // piece.step_s))
    end = max(first, min(piece.steps, int((to_unix_s - piece.from_unix_s) // piece.step_s)))
    wanted = (one for one in piece.series if not ask.names or one.name in ask.names)
    return History(
        from_unix_s=piece.from_unix_s + first * piece.step_s, step_s=piece.step_s, steps=end - first,
        series=tuple(_part(one, slice(first, end), ask.fields) for one in wanted),
    )  # fmt: skip


def _part(series: HistorySeries, steps: slice, fields: Iterable[str]) -> HistorySeries:
    chosen = set(fields)
    return HistorySeries(
        name=series.name,
        values={name: column[steps] for name, column in series.values.items() if not chosen or name in chosen},
        phases=series.phases[steps],
        histograms={
            name: HistogramSeries(bounds_s=one.bounds_s, counts=one.counts[steps], sum_s=one.sum_s[steps])
            for name, one in series.histograms.items()
        },
    )
