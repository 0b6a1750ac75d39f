"""What a ramp of requests showed: a row a level, and tokens a second against the time to the first token."""

from collections.abc import Sequence

from console.render import text
from console.render.figures import bar
from console.render.table import Cell, Column, Tone
from profiles.latency.trial import Level

BAR_WIDTH = 30

LEVEL_COLUMNS = (
    Column("concurrency", "At once", 7, right=True, priority=1, names=True),
    Column("requests", "Requests", 8, right=True, priority=2),
    Column("failed", "Failed", 6, right=True, priority=1),
    Column("rate", "Req/s", 7, right=True, priority=2),
    Column("tokens", "Tok/s", 8, right=True, priority=1),
    Column("ttft_p50", "TTFT p50 ms", 11, right=True, priority=1),
    Column("ttft_p95", "p95 ms", 7, right=True, priority=1),
    Column("ttft_p99", "p99 ms", 7, right=True, priority=4),
    Column("itl_p50", "ITL p50 ms", 10, right=True, priority=2),
    Column("itl_p95", "p95 ms", 7, right=True, priority=3),
    Column("e2e_p50", "E2E p50 ms", 10, right=True, priority=4),
    Column("e2e_p95", "p95 ms", 7, right=True, priority=3),
)


def level_cells(level: Level) -> tuple[Cell, ...]:
    """In the order of LEVEL_COLUMNS."""
    times = (
        level.ttft_p50_s, level.ttft_p95_s, level.ttft_p99_s, level.itl_p50_s, level.itl_p95_s, level.e2e_p50_s,
        level.e2e_p95_s,
    )  # fmt: skip
    return (
        Cell(str(level.concurrency), level.concurrency),
        Cell(f"{level.requests:,}", level.requests),
        Cell(str(level.failed), level.failed, Tone.BAD if level.failed else Tone.PLAIN),
        Cell(f"{level.requests_per_s:,.1f}", level.requests_per_s),
        Cell(f"{level.generation_tok_s:,.0f}", level.generation_tok_s),
        *(Cell(milliseconds(one), one, Tone.DIM if one is None else Tone.PLAIN) for one in times),
    )


def milliseconds(time_s: float | None) -> str:
    if time_s is None:
        return text.UNKNOWN
    return f"{time_s * 1000:,.1f}" if time_s < 0.01 else f"{time_s * 1000:,.0f}"


def plotted(levels: Sequence[Level]) -> list[str]:
    """Both on scales from zero to the largest of the levels."""
    tokens = max(level.generation_tok_s for level in levels)
    first = max(level.ttft_p95_s or 0.0 for level in levels)
    lines = [f"{'At once':>7}  {'Tok/s':<{BAR_WIDTH + 9}}  TTFT p95 ms"]
    for level in levels:
        made = f"{bar(_part(level.generation_tok_s, tokens), BAR_WIDTH)} {level.generation_tok_s:>8,.0f}"
        waited = f"{bar(_part(level.ttft_p95_s, first), BAR_WIDTH)} {milliseconds(level.ttft_p95_s):>7}"
        lines.append(f"{level.concurrency:>7}  {made}  {waited}")
    return lines


def _part(value: float | None, whole: float) -> float | None:
    return None if value is None or not whole else value / whole
