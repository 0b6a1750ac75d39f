"""Instances: who serves, how well, what is wrong."""

from textual import on

from console.render.instances import INSTANCE_COLUMNS, instance_row
from console.render.table import Row
from console.screens.actions import ACTION_BINDINGS, ActsOnInstance
from console.screens.instance import InstanceScreen
from console.screens.session import Session
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows


class InstancesScreen(ActsOnInstance, TableScreen):
    kind = Kind.INSTANCE
    columns = INSTANCE_COLUMNS
    empty = "no instances yet: `gpuyard apply -f PROFILE.yaml` starts some"
    BINDINGS = [*ACTION_BINDINGS]

    def __init__(self, session: Session, node: str | None = None) -> None:
        super().__init__(session)
        self.node = node
        self.crumb = f"nodes › {node} › instances" if node else "instances"

    def make(self, key: Key) -> Row | None:
        return instance_row(self.session.store, key)

    def target(self) -> Key | None:
        return self.table().cursor

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        self.app.push_screen(InstanceScreen(self.session, event.key))
