"""One instance: what it is, how it does, what is wanted of it."""

from collections.abc import Sequence

from console.render.fit import Line
from console.render.instance import instance_lines
from console.screens.actions import ACTION_BINDINGS, ActsOnInstances
from console.screens.judging import Judged
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.store import Key


class InstanceScreen(ActsOnInstances, OpensShell, Judged):
    BINDINGS = [*ACTION_BINDINGS, *SHELL_BINDINGS]

    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        self.crumb = f"{key.node} › {key.name}"

    def subject(self) -> Key:
        return self.key

    def node_in_hand(self) -> str:
        return self.key.node

    def host_in_hand(self) -> str:
        return self.key.node

    def targets(self) -> Sequence[Key]:
        return (self.key,)

    def on_unmount(self) -> None:
        self.session.store.recorded.close(self.key)

    def on_mount(self) -> None:
        self.session.store.recorded.open(self.key)

    def facts(self) -> Sequence[Line]:
        return instance_lines(self.session.store, self.key, self.size.width)
