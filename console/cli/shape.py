"""Which things of a list, and in which order: `--filter` and `--sort`, by the names of its columns."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from console.cli.output import CommandFailed, Exit, say
from console.filter import EVERY, BadFilter, Filter, find_column, read
from console.render.table import Cell, Column, by_column, rank_of_name
from profiles.observed.status import Reason


@dataclass(frozen=True)
class Entry:
    """One thing of a list: its rows in the table, and what it is as JSON and by name."""

    rows: Sequence[Sequence[Cell]]
    item: Callable[[], Mapping[str, object]]
    name: str


@dataclass(frozen=True)
class Shape:
    """How a list was asked for."""

    columns: Sequence[Column]
    chosen: Filter = EVERY
    sort: int | None = None
    """The column; None is the order in which nodes tell, and rows by their names."""
    descending: bool = False

    def of(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those with a row that was chosen, each with its chosen rows."""
        kept = list(entries)
        if self.chosen is not EVERY:
            chosen = (replace(one, rows=[row for row in one.rows if self.chosen.matches(row)]) for one in kept)
            kept = [one for one in chosen if one.rows]
        if self.sort is None:
            return kept
        return by_column(kept, self.sort, self.descending, lambda one: one.rows[0] if one.rows else ())

    def rows(self, entries: Iterable[Entry]) -> list[Sequence[Cell]]:
        """The lines of the table, of what `of` gave."""
        rows = [row for entry in entries for row in entry.rows]
        if self.sort is not None:
            return by_column(rows, self.sort, self.descending, lambda row: row)
        return sorted(rows, key=rank_of_name(self.columns))


def shape_of(options: argparse.Namespace, columns: Sequence[Column]) -> Shape:
    """Raises CommandFailed for words that no column of this list answers to."""
    text: str | None = options.filter
    try:
        chosen = read(text or "", columns)
    except BadFilter as wrong:
        say(text or "")
        say(" " * cell_len((text or "")[: wrong.at]) + "^")
        raise CommandFailed(Exit.USAGE, Reason("bad_filter", f"--filter: {wrong.message}", wrong.hint)) from None
    given: str | None = options.sort
    if given is None:
        return Shape(columns, chosen)
    name = given.removeprefix("-")
    try:
        at = find_column(name, columns)
    except BadFilter as wrong:
        raise CommandFailed(Exit.USAGE, Reason("bad_sort", f"--sort: {wrong.message}", wrong.hint)) from None
    return Shape(columns, chosen, at, columns[at].right is not given.startswith("-"))
