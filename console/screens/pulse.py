"""Pulse: what is wrong, who suffers, how full the fleet is, what changed."""

from collections.abc import Iterable

from textual.widget import Widget

from console.render.alerts import alert_line
from console.render.heatmap import heatmap
from console.render.pulse import changes, problem_line
from console.screens.services import ServicesScreen
from console.store import Key
from console.widgets.lines import Lines


class PulseScreen(ServicesScreen):
    """The services screen with the fleet around it."""

    crumb = "pulse"
    _is_behind = False

    def body(self) -> Iterable[Widget]:
        yield Lines(id="alerts")
        yield Lines(id="problems")
        yield from super().body()
        yield Lines(id="map")
        yield Lines(id="changes")

    def fill(self) -> None:
        super().fill()
        self._around()

    def take(self, dirty: set[Key]) -> None:
        super().take(dirty)
        self._is_behind = self._is_behind or bool(dirty)

    def tick(self) -> None:
        """Rows follow every flush; what looks at the whole fleet, once a second."""
        super().tick()
        if self.composed:
            self._alerts()
        if self._is_behind and self.composed:
            self._around()

    def on_resize(self) -> None:
        if self.composed:
            self._around()

    def _around(self) -> None:
        self._is_behind = False
        store, width, height = self.session.store, self.size.width, self.size.height
        self.query_one("#problems", Lines).show(problem_line(store, width))
        self.query_one("#map", Lines).show([*heatmap(store.nodes, width, max(4, height // 4)), ()])
        self.query_one("#changes", Lines).show(changes(store, height))

    def _alerts(self) -> None:
        alerting = self.session.alerting
        firing = alerting.firing() if alerting else []
        calling = [one for one in firing if alerting and alerting.calls(one)]
        self.query_one("#alerts", Lines).show(alert_line(calling, len(firing) - len(calling), self.size.width))
