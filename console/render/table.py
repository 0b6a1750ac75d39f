"""What a table is made of, whoever draws it: the line-API widget, or plain text on stdout."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeVar

from console.store import Key

Item = TypeVar("Item")


class Tone(StrEnum):
    """What a colour means. Every tone has a second sign (a word or a glyph) in the cell itself."""

    PLAIN = "plain"
    BAD = "bad"
    """Act now."""
    WARN = "warn"
    """Look."""
    GOOD = "good"
    """Nothing to do; used sparingly."""
    DIM = "dim"
    """Old, idle, explanation."""
    KEY = "key"
    """Keys and what is selected."""


class Cell(NamedTuple):
    """Text as it is drawn, what it sorts by, and its tone. Unknown sorts last.

    A figure sorts by itself in the unit of its header, a time in seconds: filters are asked in the same units.
    """

    text: str
    sort: float | str | None = None
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Column:
    """One column. `priority` 1 stays longest when the terminal is narrow; `width` is a minimum in cells.

    Rather than lose a column of priority 1 to 4, one with a `least` shrinks to that.
    """

    id: str
    title: str
    width: int
    right: bool = False
    priority: int = 5
    grow: bool = False
    """Takes the room that is left."""
    least: int | None = None
    names: bool = False
    """Part of what a row is called: rows that are equal otherwise stand in the order of these columns."""
    also: tuple[str, ...] = ()
    """Other names of it, for filters and sorts."""
    is_time: bool = False
    """Its figures are times, which carry their units."""
    ages: bool = False
    """It says other things as time passes, without any news."""


@dataclass(frozen=True)
class Row:
    """Cells in the order of the columns. `dim` draws the whole row as old."""

    key: Key
    cells: tuple[Cell, ...]
    dim: bool = False

    @property
    def is_problem(self) -> bool:
        """Whether anything in the row asks for somebody."""
        return any(cell.tone in (Tone.BAD, Tone.WARN) for cell in self.cells)


Rank = tuple[int, float, tuple[str | int, ...]]
"""Numbers before texts; texts in natural order."""


@lru_cache(1 << 14)
def natural(text: str) -> tuple[str | int, ...]:
    """Sorts `chat/2` before `chat/10`, whatever the case."""
    parts = re.split(r"(\d{1,18})", text.casefold())
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def rank(cell: Cell) -> Rank:
    """What a cell sorts by; the unknown is for the caller to put last."""
    value = cell.sort
    return (1, 0.0, natural(value)) if isinstance(value, str) else (0, value or 0.0, ())


def rank_of_name(columns: Sequence[Column]) -> Callable[[Sequence[Cell]], tuple[Rank, ...]]:
    """What the cells of a row sort by where nothing else tells them apart."""
    named = [at for at, column in enumerate(columns) if column.names]
    return lambda cells: tuple(rank(cells[at]) for at in named)


def by_column(items: Iterable[Item], at: int, descending: bool, cells: Callable[[Item], Sequence[Cell]]) -> list[Item]:
    """In the order of one column; equals keep theirs, and the unknown is last, whichever way it is."""
    known: list[Item] = []
    unknown: list[Item] = []
    for item in items:
        here = cells(item)
        (known if at < len(here) and here[at].sort is not None else unknown).append(item)
    known.sort(key=lambda item: rank(cells(item)[at]), reverse=descending)
    return known + unknown


RowMaker = Callable[[Key], Row | None]
"""The row of a key as the store has it now; None when it is gone."""
