"""One entry of a plan in full."""

from collections.abc import Sequence

from console.render.fit import Line
from console.render.plan_steps import Entry
from console.render.planpage import entry_page
from console.screens.detail import DetailScreen
from console.screens.session import Session
from profiles.plans.plan import Plan


class StepScreen(DetailScreen):
    def __init__(self, session: Session, plan: Plan, entry: Entry) -> None:
        super().__init__(session)
        self.plan, self.entry = plan, entry
        self.crumb = f"plan › {entry.first.action} {entry.first.instance}"

    def lines(self) -> Sequence[Line]:
        return entry_page(self.entry, self.plan, self.session.store, self.size.width)
