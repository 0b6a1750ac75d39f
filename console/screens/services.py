"""Services: what is served, how well, and which replica is worst off."""

from collections.abc import Sequence

from textual import on
from textual.binding import Binding

from console.render.services import SERVICE_COLUMNS, WORST_COLUMN, service_row, worst_replica
from console.render.table import Row
from console.screens.actions import ACTION_BINDINGS, ActsOnInstances
from console.screens.instances import InstancesScreen
from console.screens.service import ServiceScreen
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows


class ServicesScreen(ActsOnInstances, TableScreen):
    crumb = "services"
    kind = Kind.SERVICE
    columns = SERVICE_COLUMNS
    sorted_by = WORST_COLUMN
    empty = "no services yet: `gpuyard apply -f PROFILE.yaml` starts some"
    BINDINGS = [
        *ACTION_BINDINGS,
        Binding("d", "detail", "detail", id="services.detail", tooltip="All of it: latency, burn, money, replicas"),
    ]

    def make(self, key: Key) -> Row | None:
        return service_row(self.session.store, key)

    def targets(self) -> Sequence[Key]:
        service = self.table().cursor
        return self.session.store.members(service) if service else ()

    def read_first(self) -> Key | None:
        service = self.table().cursor
        return worst_replica(self.session.store, service) if service else None

    def action_detail(self) -> None:
        if (service := self.table().cursor) is not None:
            self.app.push_screen(ServiceScreen(self.session, service))

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        self.app.push_screen(InstancesScreen(self.session, service=event.key))
