"""Cost: the fleet's money at this rate and who spends it, or what each of the last hours cost."""

from collections.abc import Sequence

from textual import work
from textual.binding import Binding

from console.operations import Requests
from console.past_spending import PastSpending, ask_spent
from console.render.costhours import hour_lines
from console.render.costpage import cost_lines
from console.render.fit import Line
from console.screens.detail import DetailScreen
from console.spending import BY

HOURS = 24
ASK_EVERY_S = 60.0


class CostScreen(DetailScreen):
    crumb = "cost"
    BINDINGS = [
        Binding("b", "by", "by …", id="cost.by", tooltip=f"Whose money: by {', '.join(BY)}"),
        Binding("h", "hours", "by hour", id="cost.hours", tooltip=f"What the last {HOURS} hours cost, one by one"),
    ]
    by = "service"
    shows_hours = False
    _past: PastSpending | None = None
    _due_s = 0.0

    def lines(self) -> Sequence[Line]:
        store = self.session.store
        return [(), *(hour_lines(store, self._past) if self.shows_hours else cost_lines(store, self.by))]

    def tick(self) -> None:
        super().tick()
        self._ask_where_due()

    def action_by(self) -> None:
        choices = list(BY)
        if not self.shows_hours:
            self.by = choices[(choices.index(self.by) + 1) % len(choices)]
        self.shows_hours = False
        self.fill()

    def action_hours(self) -> None:
        self.shows_hours = not self.shows_hours
        self._ask_where_due()
        self.fill()

    def _ask_where_due(self) -> None:
        fleet, now_s = self.session.fleet, self.session.store.clock()
        if self.shows_hours and self.is_current and fleet is not None and now_s >= self._due_s:
            self._due_s = now_s + ASK_EVERY_S
            self._ask(fleet)

    @work(group="hours", exclusive=True)
    async def _ask(self, fleet: Requests) -> None:
        self._past = await ask_spent(fleet, self.session.store, HOURS * 3600.0, HOURS)
        self.fill()
