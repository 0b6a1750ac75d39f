"""One line of a table as a Strip: as few segments as its tones allow, for fewer bytes on the terminal."""

from collections.abc import Sequence

from rich.segment import Segment
from textual.strip import Strip

from console.render.fit import GAP, fit
from console.render.table import Column, Row, Tone
from console.theme import Palette

Layout = Sequence[tuple[int, int]]
"""(position of a column, its width in cells)."""


def header(
    columns: Sequence[Column], places: Layout, column: int, descending: bool, palette: Palette, width: int
) -> Strip:
    """The titles; the one that rows are sorted by carries ▲ or ▼."""
    parts = []
    for at, size in places:
        sign = ("▼" if descending else "▲") if at == column else ""
        parts.append(fit(columns[at].title + sign, size, right=columns[at].right))
    return Strip([Segment(fit(" " + (" " * GAP).join(parts), width), palette.header)], width)


def draw(row: Row, columns: Sequence[Column], places: Layout, selected: bool, palette: Palette, width: int) -> Strip:
    """The cells of a row; the selected one has a bar at its left as well as a colour."""
    base = palette.base + palette.selected if selected else palette.base
    segments = [Segment("▌" if selected else " ", base + palette.tone(Tone.KEY) if selected else base)]
    for number, (at, size) in enumerate(places):
        cell = row.cells[at]
        tone = Tone.DIM if row.dim and cell.tone is Tone.PLAIN else cell.tone
        if number:
            segments.append(Segment(" " * GAP, base))
        segments.append(Segment(fit(cell.text, size, right=columns[at].right), base + palette.tone(tone)))
    return Strip(segments).adjust_cell_length(width, base).simplify()
