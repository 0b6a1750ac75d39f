"""Screens that are one page of lines: a node, a GPU, a process, a service, an instance, the money."""

from collections.abc import Iterable, Sequence

from textual.binding import Binding
from textual.widget import Widget

from console.render.fit import Line
from console.screens.base import YardScreen
from console.screens.changes import ChangesScreen
from console.store import Key
from console.widgets.lines import Lines


class DetailScreen(YardScreen):
    """A child says its lines; they are drawn anew every second. With a subject, it has a time line of changes."""

    BINDINGS = [Binding("c", "changes", "changes", id="detail.changes", tooltip="What changed here, and around it")]

    def subject(self) -> Key | None:
        """Whose changes `c` lists."""
        return None

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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "changes":
            return self.subject() is not None
        return super().check_action(action, parameters)

    def action_changes(self) -> None:
        self.app.push_screen(ChangesScreen(self.session, self.subject(), self.crumb))
