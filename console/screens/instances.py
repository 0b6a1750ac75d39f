"""Instances: who serves, how well, what is wrong."""

from collections.abc import Sequence

from textual import on

from console.render.instances import INSTANCE_COLUMNS, instance_row
from console.render.table import Row
from console.screens.actions import ACTION_BINDINGS, ActsOnInstances
from console.screens.instance import InstanceScreen
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows


class InstancesScreen(ActsOnInstances, OpensShell, TableScreen):
    kind = Kind.INSTANCE
    columns = INSTANCE_COLUMNS
    empty = "no instances yet: `gpuyard apply -f PROFILE.yaml` starts some"
    BINDINGS = [*ACTION_BINDINGS, *SHELL_BINDINGS]

    def __init__(self, session: Session, node: str | None = None, service: Key | None = None) -> None:
        super().__init__(session)
        self.node, self.service = node, service
        above = f"nodes › {node} › " if node else f"services › {service.name} › " if service else ""
        self.crumb = f"{above}instances"

    def keys(self) -> list[Key]:
        return self.session.store.members(self.service) if self.service else super().keys()

    def holds(self, key: Key) -> bool:
        return key in self.session.store.members(self.service) if self.service else super().holds(key)

    def make(self, key: Key) -> Row | None:
        return instance_row(self.session.store, key)

    def targets(self) -> Sequence[Key]:
        cursor = self.table().cursor
        return (cursor,) if cursor else ()

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        self.app.push_screen(InstanceScreen(self.session, event.key))
