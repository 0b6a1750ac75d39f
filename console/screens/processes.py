"""Processes: who is on the GPUs, whose it is, and what nobody will end. Asked for while somebody looks."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget

from console.render.processes import PROCESS_COLUMNS, USER_COLUMNS, process_row, summary, user_cells
from console.render.table import Row
from console.screens.instance import InstanceScreen
from console.screens.listing import AsksForProcesses
from console.screens.process import ProcessScreen
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.screens.tables import TableScreen
from console.screens.terminating import TERMINATE_BINDINGS, EndsProcesses
from console.store import Key, Kind, Store
from console.widgets.lines import Lines
from console.widgets.rows import Rows
from profiles.observed.processes import NodeProcess, ProcessKind, UserShare, by_user


class ListsProcesses(AsksForProcesses, TableScreen):
    """A table of what nodes list."""

    def body(self) -> Iterable[Widget]:
        yield Lines(id="about")
        yield from super().body()

    def processes(self) -> Iterable[NodeProcess]:
        """Those that this screen is about."""
        return (one for _, one in self.session.store.processes())

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.query_one("#about", Lines).show([summary(self.session.store, list(self.processes()))])

    def blank(self, empty: str) -> str:
        """Nobody has listed anything at first."""
        views = [view for view in self.session.store.nodes.values() if view.counted]
        if views and all(view.listed_at_s is None for view in views):
            why = next((view.unlisted for view in views if view.unlisted), None)
            return f"{why.text}. {why.hint}" if why else "asking the nodes …"
        return super().blank(empty)


class ProcessesScreen(EndsProcesses, OpensShell, ListsProcesses):
    kind = Kind.PROCESS
    columns = PROCESS_COLUMNS
    empty = "nobody is on a GPU, and no instance runs here"
    BINDINGS = [
        *TERMINATE_BINDINGS,
        Binding("d", "detail", "detail", id="processes.detail", tooltip="All of it: command, GPUs, what its end does"),
        Binding("b", "users", "by user", id="processes.users", tooltip="What each user has on all GPUs"),
        *SHELL_BINDINGS,
    ]

    def __init__(
        self, session: Session, node: str | None = None, gpu: int | None = None, user: str | None = None
    ) -> None:
        super().__init__(session)
        self.node, self.gpu, self.user = node, gpu, user
        where = f"{node} › " if node else ""
        where += f"gpu{gpu} › " if gpu is not None else ""
        self.crumb = f"{where}processes" + ("" if user is None else f" › {user or 'unknown user'}")

    def keys(self) -> list[Key]:
        listed = super().keys()
        return [key for key in listed if self.holds(key)]

    def holds(self, key: Key) -> bool:
        one = _process(self.session.store, key)
        return super().holds(key) and one is not None and self._is_about(one)

    def make(self, key: Key) -> Row | None:
        return process_row(self.session.store, key)

    def processes(self) -> Iterable[NodeProcess]:
        here = self.session.store.processes()
        return (one for node, one in here if self.node in (None, node) and self._is_about(one))

    def process_in_hand(self) -> Key | None:
        return self.table().cursor

    def action_detail(self) -> None:
        if (key := self.table().cursor) is not None:
            self.app.push_screen(ProcessScreen(self.session, key))

    def action_users(self) -> None:
        self.app.push_screen(UsersScreen(self.session))

    def _is_about(self, one: NodeProcess) -> bool:
        return (self.gpu is None or self.gpu in one.gpus) and self.user in (None, one.user)

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        one = _process(self.session.store, event.key)
        if one is not None and one.kind is ProcessKind.OURS and one.instance:
            self.app.push_screen(InstanceScreen(self.session, Key(Kind.INSTANCE, event.key.node, one.instance)))
        else:
            self.action_detail()


class UsersScreen(ListsProcesses):
    """A line a user: what each has on all GPUs."""

    crumb = "processes › by user"
    kind = Kind.USER
    columns = USER_COLUMNS
    empty = "nobody is on a GPU, and no instance runs here"
    BINDINGS = [Binding("b", "up", "by process", id="processes.users", tooltip="Back to a line a process")]
    sorted_by = 1

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._shares: dict[str, UserShare] = {}

    def on_mount(self) -> None:
        self.table().order.descending = True

    def fill(self) -> None:
        self._sum_up()
        super().fill()

    def take(self, dirty: set[Key]) -> None:
        if any(key.kind is Kind.USER for key in dirty):
            self._sum_up()
        super().take(dirty)

    def make(self, key: Key) -> Row | None:
        share = self._shares.get(key.name)
        return Row(key, user_cells(share)) if share else None

    def _sum_up(self) -> None:
        self._shares = {share.user: share for share in by_user(self.session.store.processes())}

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        self.app.push_screen(ProcessesScreen(self.session, user=event.key.name))


def _process(store: Store, key: Key) -> NodeProcess | None:
    return store.nodes[key.node].processes.get(key.name) if key.node in store.nodes else None
