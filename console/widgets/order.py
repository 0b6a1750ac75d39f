"""Which rows a table shows and in which order: filter, sort, and places of keys. No drawing."""

from collections.abc import Iterable, Sequence
from itertools import count
from time import perf_counter

from console.render.table import Column, Rank, Row, RowMaker, rank, rank_of_name
from console.store import Key


class Order:
    """Rows by key, the visible keys in order, and each key's place.

    Order is settled by `arrange`; a changed value alone moves no row, so the table stays readable while
    numbers tick.
    """

    def __init__(self, columns: Sequence[Column], make: RowMaker) -> None:
        self._make = make
        self._rank_of_name = rank_of_name(columns)
        self.rows: dict[Key, Row] = {}
        self.versions: dict[Key, int] = {}
        """Of each row; never given twice, so that what was drawn of a row that is gone is not taken for a new one."""
        self._next_version = count()
        self.keys: list[Key] = []
        self.places: dict[Key, int] = {}
        self._by_name: list[Key] = []
        self.stale: set[Key] = set()
        """Keys out of sight whose rows are made anew later."""
        self.column = 0
        self.descending = False
        self.needle = ""
        self.only_problems = False

    def load(self, keys: Iterable[Key]) -> None:
        """Replace all rows."""
        self.stale.clear()
        made = ((key, self._make(key)) for key in keys)
        self.rows = {key: row for key, row in made if row is not None}
        self.versions = {key: next(self._next_version) for key in self.rows}
        self.arrange()

    def update(self, keys: Iterable[Key]) -> tuple[list[int], bool]:
        """Make the rows of `keys` anew. Gives the places that look different, and whether rows came or went."""
        changed: list[int] = []
        moved = False
        for key in keys:
            row, before = self._make(key), self.rows.get(key)
            if row == before:
                continue
            if row is None:
                del self.rows[key], self.versions[key]
                moved = True
                continue
            self.rows[key] = row
            self.versions[key] = next(self._next_version)
            place = self.places.get(key)
            if before is None or self._shows(row) != (place is not None):
                moved = True
            elif place is not None:
                changed.append(place)
        return changed, moved

    def catch_up(self, budget_s: float) -> bool:
        """Make stale rows for at most `budget_s`; True when rows came or went."""
        until, moved = perf_counter() + budget_s, False
        while self.stale and perf_counter() < until:
            portion = [self.stale.pop() for _ in range(min(len(self.stale), 8))]
            moved = self.update(portion)[1] or moved
        return moved

    def fresh(self, key: Key) -> Row | None:
        """The row of `key` as of now."""
        if key in self.stale:
            self.stale.discard(key)
            self.update([key])
        return self.rows.get(key)

    def arrange(self) -> bool:
        """Filter and sort again; True when the visible order changed."""
        if len(self._by_name) != len(self.rows) or any(key not in self.rows for key in self._by_name):
            self._by_name = sorted(self.rows, key=lambda key: (self._rank_of_name(self.rows[key].cells), key))
        shown = [row for row in map(self.rows.__getitem__, self._by_name) if self._shows(row)]
        known = [row for row in shown if self._value(row) is not None]
        unknown = [row for row in shown if self._value(row) is None]
        known.sort(key=self._rank, reverse=self.descending)
        keys = [row.key for row in known + unknown]
        if keys == self.keys:
            return False
        self.keys = keys
        self.places = {key: place for place, key in enumerate(keys)}
        return True

    def _shows(self, row: Row) -> bool:
        if self.only_problems and not row.is_problem:
            return False
        return not self.needle or any(self.needle in cell.text.casefold() for cell in row.cells)

    def _value(self, row: Row) -> float | str | None:
        return row.cells[self.column].sort

    def _rank(self, row: Row) -> Rank:
        return rank(row.cells[self.column])
