"""Alerts: what calls somebody now, what is about to, and who has it in hand."""

import time

from textual import on
from textual.binding import Binding

from console.author import author
from console.render.alerts import ALERT_COLUMNS, alert_cells
from console.render.table import Row
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows
from profiles.watching.alerts import Ack, Alert, Silence, ordered

SILENT_S = 3600.0


class AlertsScreen(TableScreen):
    crumb = "alerts"
    kind = Kind.ALERT
    columns = ALERT_COLUMNS
    empty = "nothing calls anybody: `docs/alerts.md` says what would"
    BINDINGS = [
        Binding("h", "acknowledge", "in hand", id="alerts.acknowledge",
                tooltip="You have it in hand: nobody is called again until it is over"),
        Binding("z", "silence", "silence 1 h", id="alerts.silence", tooltip="Call nobody for it for an hour"),
    ]  # fmt: skip

    def _alerts(self) -> dict[Key, Alert]:
        alerting = self.session.alerting
        found = ordered(alerting.alerts.values()) if alerting else []
        return {Key(Kind.ALERT, one.node, f"{one.rule} {one.target}"): one for one in found}

    def keys(self) -> list[Key]:
        return list(self._alerts())

    def make(self, key: Key) -> Row | None:
        alert, alerting = self._alerts().get(key), self.session.alerting
        if alert is None or alerting is None:
            return None
        return Row(key, tuple(alert_cells(alert, alerting.word(alert), self.session.store.wall())))

    def take(self, dirty: set[Key]) -> None:
        """Alerts are looked for once a second (`tick`)."""

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.table().change({*self.keys(), *self.table().order.rows})

    def node_in_hand(self) -> str:
        cursor = self.table().cursor if self.composed else None
        return cursor.node if cursor else ""

    def action_acknowledge(self) -> None:
        alert, alerting = self._in_hand(), self.session.alerting
        if alert is None or alerting is None:
            return
        ack = Ack(rule=alert.rule, target=alert.target, author=author(), at_unix_s=time.time())
        try:
            alerting.file.acknowledge(ack)
        except OSError as error:
            self.notify(f"Nothing is kept: {error}", severity="error", markup=False)
        alerting.look()
        self.fill()

    def action_silence(self) -> None:
        alert, alerting, now = self._in_hand(), self.session.alerting, time.time()
        if alert is None or alerting is None:
            return
        made = Silence(rule=alert.rule, target=alert.target, until_unix_s=now + SILENT_S, author=author())
        try:
            alerting.file.silence(made, now)
        except OSError as error:
            self.notify(f"Nothing is kept: {error}", severity="error", markup=False)
        alerting.look()
        self.fill()

    def _in_hand(self) -> Alert | None:
        cursor = self.table().cursor
        return self._alerts().get(cursor) if cursor else None

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        """The changes around it, of all that it is about."""
        from console.screens.changes import ChangesScreen

        node = event.key.node
        whose = Key(Kind.NODE, node) if node in self.session.store.nodes else None
        self.app.push_screen(ChangesScreen(self.session, whose, node))
