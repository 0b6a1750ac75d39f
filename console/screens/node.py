"""One node: how it is reached, its machine and agent, what it holds, what happened."""

from collections.abc import Iterable

from textual.widget import Widget

from console.render.node import node_lines
from console.screens.cordoning import CORDON_BINDINGS, CordonsPlaces
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.store import Key, Kind
from console.widgets.lines import Lines


class NodeScreen(CordonsPlaces, OpensShell):
    BINDINGS = [*CORDON_BINDINGS, *SHELL_BINDINGS]

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session)
        self.node = node
        self.crumb = f"nodes › {node}"

    def node_in_hand(self) -> str:
        return self.node

    def place_in_hand(self) -> Key | None:
        return Key(Kind.NODE, self.node)

    def host_in_hand(self) -> str:
        return self.node

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def on_mount(self) -> None:
        detail = self.query_one("#detail", Lines)
        detail.can_focus = True
        detail.focus()

    def fill(self) -> None:
        self.query_one("#detail", Lines).show(node_lines(self.session.store, self.node, self.size.width))

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()
