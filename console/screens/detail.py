"""Screens that are one page of lines: a node, a GPU, a process, a service, an instance, the money."""

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from console.render.fit import Line
from console.screens.base import YardScreen
from console.widgets.lines import Lines


class DetailScreen(YardScreen):
    """A child says its lines; they are drawn anew every second."""

    def lines(self) -> Sequence[Line]:
        raise NotImplementedError

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def on_mount(self) -> None:
        detail = self.query_one("#detail", Lines)
        detail.can_focus = True
        detail.focus()

    def fill(self) -> None:
        self.query_one("#detail", Lines).show(self.lines())

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()
