"""One node: how it is reached, its machine and agent, what it holds, what happened."""

from collections.abc import Sequence

from console.render.fit import Line
from console.render.node import node_lines
from console.screens.cordoning import CORDON_BINDINGS, CordonsPlaces
from console.screens.detail import DetailScreen
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.store import Key, Kind


class NodeScreen(CordonsPlaces, OpensShell, DetailScreen):
    BINDINGS = [*CORDON_BINDINGS, *SHELL_BINDINGS]

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session)
        self.node = node
        self.crumb = f"nodes › {node}"

    def subject(self) -> Key:
        return Key(Kind.NODE, self.node)

    def node_in_hand(self) -> str:
        return self.node

    def place_in_hand(self) -> Key | None:
        return Key(Kind.NODE, self.node)

    def host_in_hand(self) -> str:
        return self.node

    def lines(self) -> Sequence[Line]:
        return node_lines(self.session.store, self.node, self.size.width)
