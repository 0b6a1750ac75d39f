"""Screens that are one table: nodes, GPUs and instances share how a flush reaches their rows."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.widget import Widget

from console.render.fit import fit
from console.render.table import Column, Row, Tone
from console.screens.base import YardScreen
from console.store import Key, Kind, NodeState
from console.widgets.lines import Lines
from console.widgets.rows import Rows

SETTLE_FLUSHES = 20
"""Flushes between two sorts by the values of now: rows must not jump under the cursor."""


class TableScreen(YardScreen):
    """All keys of one kind, or those of one node."""

    kind: ClassVar[Kind]
    columns: ClassVar[Sequence[Column]]
    empty: ClassVar[str]
    node: str | None = None
    sorted_by = 0
    """The column whose order a fresh screen has."""
    _flushes = 0

    def body(self) -> Iterable[Widget]:
        yield Rows(self.columns, self.make, empty=self.empty, id="rows")
        yield Lines(id="whole")

    def make(self, key: Key) -> Row | None:
        raise NotImplementedError

    def keys(self) -> list[Key]:
        """The keys to show, as the store has them now."""
        return self.session.store.keys(self.kind, self.node)

    def holds(self, key: Key) -> bool:
        """Whether a new key belongs here."""
        return self.node in (None, key.node)

    def table(self) -> Rows:
        return self.query_one("#rows", Rows)

    def on_mount(self) -> None:
        table = self.table()
        table.order.column = self.sorted_by
        table.focus()

    def tick(self) -> None:
        super().tick()
        self.show_whole()

    @on(Rows.Moved)
    def show_whole(self) -> None:
        """Below the table, the text of the row in hand that found no room in it."""
        if not self.composed:
            return
        tail = self.table().tail()
        self.query_one("#whole", Lines).show([((f" {fit(tail, self.size.width - 2)}", Tone.DIM),) if tail else ()])

    def fill(self) -> None:
        table = self.table()
        table.empty = self.blank(self.empty)
        table.load(self.keys())

    def take(self, dirty: set[Key]) -> None:
        table = self.table()
        rows = table.order.rows
        table.change({key for key in dirty | self.aged() if key in rows or (key.kind is self.kind and self.holds(key))})
        blank = self.blank(self.empty)
        if not table.order.keys and blank != table.empty:
            table.empty = blank
            table.refresh()
        self._flushes += 1
        if self._flushes % SETTLE_FLUSHES == 0:
            table.settle()

    def aged(self) -> set[Key]:
        """Keys that look different because time passed: what is old says how old."""
        store = self.session.store
        quiet = [view.name for view in store.nodes.values() if view.state is not NodeState.UP]
        return {key for node in quiet for key in store.keys(self.kind, node)}
