"""What a table is made of, whoever draws it: the line-API widget, or plain text on stdout."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from console.store import Key


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
    """Text as it is drawn, what it sorts by, and its tone. Unknown sorts last."""

    text: str
    sort: float | str | None = None
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Column:
    """One column. `priority` 1 stays longest when the terminal is narrow; `width` is a minimum in cells."""

    id: str
    title: str
    width: int
    right: bool = False
    priority: int = 5
    grow: bool = False
    """Takes the room that is left."""


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


RowMaker = Callable[[Key], Row | None]
"""The row of a key as the store has it now; None when it is gone."""
