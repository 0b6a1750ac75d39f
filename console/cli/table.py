"""Rows as plain text."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from console.render.fit import GAP, fit, layout
from console.render.table import Cell, Column


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, wide: bool) -> None:
    """Fitted to the terminal; not cut, and with every column, when wide or when stdout is no terminal."""
    sized = _sized(columns, rows)
    if wide or not sys.stdout.isatty():
        shown = [(at, column.width) for at, column in enumerate(sized)]
    else:
        fitted = [column if column.grow else full for column, full in zip(columns, sized, strict=True)]
        shown = layout(fitted, shutil.get_terminal_size().columns)
    lines = [(" " * GAP).join(fit(sized[at].title, width, right=sized[at].right) for at, width in shown)]
    for row in rows:
        lines.append(_line(sized, row, shown))
    print("\n".join(line.rstrip() for line in lines), flush=True)


def _line(columns: Sequence[Column], row: Sequence[Cell], shown: Sequence[tuple[int, int]]) -> str:
    return (" " * GAP).join(fit(row[at].text, width, right=columns[at].right) for at, width in shown)


def _sized(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[Column]:
    """Each column as wide as its widest cell."""
    return [replace(column, width=max(_widths(column, at, rows))) for at, column in enumerate(columns)]


def _widths(column: Column, at: int, rows: Sequence[Sequence[Cell]]) -> Iterator[int]:
    from rich.cells import cell_len

    yield cell_len(column.title)
    for row in rows:
        yield cell_len(row[at].text)
