"""The row of a host that was brought in or sent away."""

from console.hosts.report import Outcome, Result
from console.render.table import Cell, Column, Tone

RESULT_COLUMNS = (
    Column("node", "HOST", 8, priority=1, names=True),
    Column("way", "WAY", 6, priority=3),
    Column("python", "PYTHON", 7, priority=3),
    Column("service", "SERVICE", 11, priority=2),
    Column("tier", "TIER", 7, priority=4),
    Column("seconds", "SECONDS", 7, right=True, priority=4),
    Column("result", "RESULT", 20, priority=1, grow=True),
)


def result_cells(result: Result) -> tuple[Cell, ...]:
    return (
        Cell(result.node),
        Cell(result.way or "–"),
        Cell(result.python or "–"),
        Cell(result.service or "–"),
        Cell(result.tier or "–"),
        Cell(f"{result.seconds:.1f}", result.seconds),
        _result(result),
    )


def _result(result: Result) -> Cell:
    if result.why:
        fix = f" — {result.why.hint}" if result.why.hint else ""
        return Cell(f"{result.outcome} at {result.step}: {result.why.text}{fix}", tone=Tone.BAD)
    words = "; ".join([str(result.outcome), *result.notes])
    return Cell(words, tone=Tone.WARN if result.notes else Tone.GOOD if result.outcome is Outcome.DONE else Tone.PLAIN)
