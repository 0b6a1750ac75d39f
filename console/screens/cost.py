"""Cost: the fleet's money at this rate, and who spends it."""

from collections.abc import Sequence

from textual.binding import Binding

from console.render.costpage import cost_lines
from console.render.fit import Line
from console.screens.detail import DetailScreen
from console.spending import BY


class CostScreen(DetailScreen):
    crumb = "cost"
    BINDINGS = [
        Binding("b", "by", "by …", id="cost.by", tooltip=f"Whose money: by {', '.join(BY)}"),
    ]
    by = "service"

    def lines(self) -> Sequence[Line]:
        return [(), *cost_lines(self.session.store, self.by)]

    def action_by(self) -> None:
        choices = list(BY)
        self.by = choices[(choices.index(self.by) + 1) % len(choices)]
        self.fill()
