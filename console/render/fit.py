"""Fitting text and columns into cells of a terminal; nothing here ever wraps."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from console.render.table import Column, Tone

GAP = 2
Span = tuple[str, Tone]
Line = tuple[Span, ...]


def printable(text: str) -> str:
    """`text` on one line and without anything that a terminal could obey: the last gate, whoever forgot to clean."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "�" for sign in text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells; what does not fit ends in `…`."""
    text = printable(text)
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
    pad = " " * (width - size)
    return pad + text if right else text + pad


def layout(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """(position in `columns`, width in cells) of what fits in `width`.

    The least important columns go first, from the right among equals; the growing column takes the rest.
    """
    shown = list(range(len(columns)))
    while len(shown) > 1 and _needed(columns, shown) > width:
        shown.remove(max(shown, key=lambda at: (columns[at].priority, at)))
    spare = max(0, width - _needed(columns, shown))
    growing = [at for at in shown if columns[at].grow]
    widths = []
    for at in shown:
        extra = spare // len(growing) if columns[at].grow else 0
        widths.append((at, min(columns[at].width + extra, width)))
    return widths


def _needed(columns: Sequence[Column], shown: Sequence[int]) -> int:
    return sum(columns[at].width for at in shown) + GAP * (len(shown) - 1)
