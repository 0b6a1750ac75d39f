"""One process: whose it is, what it runs, what it holds, what its end would do."""

from collections.abc import Sequence

from console.render.fit import Line
from console.render.process import process_lines
from console.screens.detail import DetailScreen
from console.screens.listing import AsksForProcesses
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.screens.terminating import TERMINATE_BINDINGS, EndsProcesses
from console.store import Key


class ProcessScreen(EndsProcesses, OpensShell, AsksForProcesses, DetailScreen):
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

    def lines(self) -> Sequence[Line]:
        return process_lines(self.session.store, self.key, self.size.width)
