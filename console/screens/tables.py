"""Screens that are one table: nodes, GPUs and instances share how a flush reaches their rows."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.widget import Widget

from console.render.listing import is_problem
from console.render.table import Column, Row
from console.screens.base import YardScreen
from console.store import Key, Kind, NodeState
from console.widgets.rows import Rows

SETTLE_FLUSHES = 20
"""Flushes between two sorts by the values of now: rows must not jump under the cursor."""


class TableScreen(YardScreen):
    """All keys of one kind, or those of one node."""

    kind: ClassVar[Kind]
    columns: ClassVar[Sequence[Column]]
    empty: ClassVar[str]
    node: str | None = None
    _flushes = 0

    def body(self) -> Iterable[Widget]:
        rows = Rows(self.columns, self.make, empty=self.empty, id="rows")
        rows.problem = is_problem
        yield rows

    def make(self, key: Key) -> Row | None:
        raise NotImplementedError

    def keys(self) -> list[Key]:
        """The keys to show, as the store has them now."""
        store = self.session.store
        views = store.nodes.values() if self.node is None else [store.nodes[self.node]]
        if self.kind is Kind.NODE:
            return [Key(Kind.NODE, view.name) for view in views]
        if self.kind is Kind.GPU:
            return [Key(Kind.GPU, view.name, uuid) for view in views for uuid in view.gpus]
        return [Key(Kind.INSTANCE, view.name, name) for view in views for name in view.instances]

    def table(self) -> Rows:
        return self.query_one("#rows", Rows)

    def on_mount(self) -> None:
        self.table().focus()

    def fill(self) -> None:
        table = self.table()
        table.empty = self.blank(self.empty)
        table.load(self.keys())

    def take(self, dirty: set[Key]) -> None:
        table = self.table()
        mine = {key for key in dirty if key.kind is self.kind and self.node in (None, key.node)}
        table.change(mine | self.aged())
        blank = self.blank(self.empty)
        if not table.order.keys and blank != table.empty:
            table.empty = blank
            table.refresh()
        self._flushes += 1
        if self._flushes % SETTLE_FLUSHES == 0:
            table.settle()

    def aged(self) -> set[Key]:
        """Keys that look different because time passed: nodes that are silent say how long."""
        if self.kind is not Kind.NODE:
            return set()
        views = self.session.store.nodes.values()
        return {Key(Kind.NODE, view.name) for view in views if view.state is not NodeState.UP}
