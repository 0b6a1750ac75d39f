"""Screens of what nodes list on request: they are asked again and again while one of these is on top."""

from textual import work

from console.operations import Requests
from console.processes import keep_listed
from console.screens.base import YardScreen


class AsksForProcesses(YardScreen):
    _is_asking = False

    def on_screen_suspend(self) -> None:
        self.workers.cancel_group(self, "listing")
        self._is_asking = False

    def tick(self) -> None:
        super().tick()
        if self.session.fleet is not None and self.is_current and not self._is_asking:
            self._is_asking = True
            self._ask(self.session.fleet)

    @work(group="listing")
    async def _ask(self, fleet: Requests) -> None:
        await keep_listed(fleet, self.session.store)
