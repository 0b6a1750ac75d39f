"""What engines do, one of them or the replicas of a service: requests, errors, tokens, cache.

Sums and shares are of those that say so; None where nobody does.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from console.render.figures import hundred, said, total
from console.render.table import Cell, Column
from console.store import NodeView
from profiles.observed.status import EngineReading

ERRORS_COLUMN = Column("errors", "Err %", 5, right=True, priority=6)
MORE_COLUMNS = (
    Column("prompt", "Tok/s in", 8, right=True, priority=9),
    Column("hits", "Hits %", 6, right=True, priority=9),
    Column("preempted", "Preempt/s", 9, right=True, priority=9),
)
"""For wide screens and `-o wide`."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """`error_ratio` is of the requests that ended; the hit ratio weighs replicas by the tokens that they were asked."""

    requests_per_s: float | None
    error_ratio: float | None
    prompt_tok_s: float | None
    generation_tok_s: float | None
    running: float | None
    waiting: float | None
    prefix_cache_hit_ratio: float | None
    preemptions_per_s: float | None


def traffic(readings: Sequence[EngineReading]) -> Traffic:
    return Traffic(
        requests_per_s=total(reading.requests_per_s for reading in readings),
        error_ratio=_errors(readings),
        prompt_tok_s=total(reading.prompt_tok_s for reading in readings),
        generation_tok_s=total(reading.generation_tok_s for reading in readings),
        running=total(reading.running for reading in readings),
        waiting=total(reading.waiting for reading in readings),
        prefix_cache_hit_ratio=_hits(readings),
        preemptions_per_s=total(reading.preemptions_per_s for reading in readings),
    )


def of_nodes(views: Iterable[NodeView]) -> Traffic:
    """What all engines there do together; what a node said last that does not answer is in no sum, and what came
    through a gateway is counted where it is served."""
    told = (status.reading for view in views if view.counted for status in view.instances.values()
            if status.gateway is None)  # fmt: skip
    return traffic([reading for reading in told if reading is not None])


def errors_cell(found: Traffic, absent: Mapping[str, str]) -> Cell:
    return said(hundred(found.error_ratio), "failed_per_s", absent, 1)


def more_cells(found: Traffic, absent: Mapping[str, str]) -> tuple[Cell, ...]:
    """In the order of MORE_COLUMNS."""
    return (
        said(found.prompt_tok_s, "prompt_tok_s", absent),
        said(hundred(found.prefix_cache_hit_ratio), "prefix_cache_hit_ratio", absent),
        said(found.preemptions_per_s, "preemptions_per_s", absent, 1),
    )


def _errors(readings: Sequence[EngineReading]) -> float | None:
    """No request ended, no share of them failed."""
    told = [reading for reading in readings if reading.failed_per_s is not None and reading.requests_per_s is not None]
    failed = sum(reading.failed_per_s or 0.0 for reading in told)
    ended = failed + sum(reading.requests_per_s or 0.0 for reading in told)
    return failed / ended if ended > 0 else None


def _hits(readings: Sequence[EngineReading]) -> float | None:
    told = [(reading.prefix_cache_hit_ratio, reading.prompt_tok_s or 0.0) for reading in readings
            if reading.prefix_cache_hit_ratio is not None]  # fmt: skip
    asked = sum(tokens for _, tokens in told)
    if not told:
        return None
    return sum(ratio * tokens for ratio, tokens in told) / asked if asked else max(ratio for ratio, _ in told)
