"""A load's steps by the text of log lines, in a table of each adapter: the first match wins."""

from collections.abc import Iterable

from engines.base import LoadProgress


def step_of(line: str, table: Iterable[tuple[str, str]]) -> LoadProgress | None:
    """None for a line that tells of no step."""
    return next((LoadProgress(step=step) for text, step in table if text in line), None)
