"""The way back of a profile from a screen: asked of the nodes, then the plan, which is applied with `A` alone."""

from collections.abc import Awaitable

from console.back import Back, propose_profile_undo, propose_rollback
from console.remote.errors import RequestFailed
from console.render.text import one_line
from console.screens.base import YardScreen
from console.screens.plan import PlanScreen, Proposal

READABLE_S = 12.0


class GoesBack(YardScreen):
    """A screen with a profile in hand."""

    def go_back(self, profile: str, revision: str | None = None) -> None:
        """To `revision`; without one, from the revision that stands."""
        fleet, store = self.session.fleet, self.session.store
        if fleet is None:
            self.say("the fleet is still being reached: try again in a moment", bad=True)
            return
        ask = (
            propose_profile_undo(fleet, store, profile)
            if revision is None
            else propose_rollback(fleet, store, profile, revision)
        )
        self.run_worker(self._propose(ask), exit_on_error=True, exclusive=True, group="back")

    async def _propose(self, ask: Awaitable[Back]) -> None:
        try:
            back = await ask
        except RequestFailed as failed:
            self.say(f"{failed.reason.text}. {failed.reason.hint}", bad=True)
            return
        if back.make is None:
            first = back.plan.blockers[0]
            self.say(f"{first.text}. {first.hint}", bad=True)
            return
        if self.is_current:
            for line in back.lines:
                self.say(line)
            self.app.push_screen(PlanScreen(self.session, Proposal(back.reason, back.make)))

    def say(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)
