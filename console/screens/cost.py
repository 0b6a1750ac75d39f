"""Cost: the fleet's money at this rate, and who spends it."""

from collections.abc import Iterable

from textual.binding import Binding
from textual.widget import Widget

from console.render.costpage import cost_lines
from console.screens.base import YardScreen
from console.spending import BY
from console.widgets.lines import Lines


class CostScreen(YardScreen):
    crumb = "cost"
    BINDINGS = [
        Binding("b", "by", "by …", id="cost.by", tooltip=f"Whose money: by {', '.join(BY)}"),
    ]
    by = "service"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def on_mount(self) -> None:
        detail = self.query_one("#detail", Lines)
        detail.can_focus = True
        detail.focus()

    def fill(self) -> None:
        self.query_one("#detail", Lines).show([(), *cost_lines(self.session.store, self.by)])

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()

    def action_by(self) -> None:
        choices = list(BY)
        self.by = choices[(choices.index(self.by) + 1) % len(choices)]
        self.fill()
