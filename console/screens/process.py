"""One process: whose it is, what it runs, what it holds, what its end would do."""

from collections.abc import Iterable

from textual.widget import Widget

from console.render.process import process_lines
from console.screens.listing import AsksForProcesses
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.screens.terminating import TERMINATE_BINDINGS, EndsProcesses
from console.store import Key
from console.widgets.lines import Lines


class ProcessScreen(EndsProcesses, OpensShell, AsksForProcesses):
    BINDINGS = [*TERMINATE_BINDINGS, *SHELL_BINDINGS]

    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        self.crumb = f"{key.node} › process {key.name.partition('.')[0]}"

    def node_in_hand(self) -> str:
        return self.key.node

    def host_in_hand(self) -> str:
        return self.key.node

    def process_in_hand(self) -> Key | None:
        return self.key

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def on_mount(self) -> None:
        detail = self.query_one("#detail", Lines)
        detail.can_focus = True
        detail.focus()

    def fill(self) -> None:
        self.query_one("#detail", Lines).show(process_lines(self.session.store, self.key, self.size.width))

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()
