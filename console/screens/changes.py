"""Changes: one time line of a fleet, a node, a service, an instance or a GPU; the newest first."""

from textual import on, work

from console.changes import known, scope_of, traffic_steps
from console.operations import Requests
from console.render.changes import CHANGE_COLUMNS, change_row
from console.render.table import Row
from console.screens.session import Session
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows
from profiles.explain.timeline import Change

ASK_EVERY_S = 30.0


class ChangesScreen(TableScreen):
    """`key` is whose; None is the fleet."""

    kind = Kind.CHANGE
    columns = CHANGE_COLUMNS
    empty = "nothing changed since the nodes remember"

    def __init__(self, session: Session, key: Key | None = None, name: str = "") -> None:
        super().__init__(session)
        self._key = key
        self.crumb = f"{name} › changes" if key else "changes"
        self._changes: dict[Key, Change] = {}
        self._steps: list[Change] = []
        self._asked_at_s: float | None = None

    def keys(self) -> list[Key]:
        """As they are known now."""
        store = self.session.store
        found = known(store, scope_of(store, self._key), self._steps)
        self._changes = {Key(Kind.CHANGE, one.node, str(at)): one for at, one in enumerate(found)}
        return list(self._changes)

    def make(self, key: Key) -> Row | None:
        change = self._changes.get(key)
        return change_row(self.session.store, change, int(key.name)) if change else None

    def take(self, dirty: set[Key]) -> None:
        """A change is no row of the store: `tick` looks for new ones, once a second."""

    def tick(self) -> None:
        super().tick()
        if not self.composed or not self.is_current:
            return
        if self.keys() != self.table().order.keys:
            self.fill()
        now_s = self.session.store.clock()
        due = self._asked_at_s is None or now_s - self._asked_at_s >= ASK_EVERY_S
        if self.session.fleet is not None and due:
            self._asked_at_s = now_s
            self._ask(self.session.fleet)

    @work(group="traffic", exclusive=True)
    async def _ask(self, fleet: Requests) -> None:
        store = self.session.store
        self._steps = await traffic_steps(fleet, store, scope_of(store, self._key))

    def node_in_hand(self) -> str:
        cursor = self.table().cursor if self.composed else None
        return cursor.node if cursor else ""

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        """What the change is about."""
        from console.screens.gpu import GpuScreen
        from console.screens.instance import InstanceScreen
        from console.screens.node import NodeScreen

        change = self._changes.get(event.key)
        if change is None:
            return
        instance = change.instance or next(iter(change.touches), "")
        if instance:
            self.app.push_screen(InstanceScreen(self.session, Key(Kind.INSTANCE, change.node, instance)))
        elif change.gpu:
            self.app.push_screen(GpuScreen(self.session, Key(Kind.GPU, change.node, change.gpu)))
        else:
            self.app.push_screen(NodeScreen(self.session, change.node))
