"""One GPU: what it does and for whom, what went wrong, where it sits."""

from collections.abc import Sequence

from textual.binding import Binding

from console.render.fit import Line
from console.render.gpu import gpu_lines
from console.screens.judging import Judged
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.store import Key


class GpuScreen(OpensShell, Judged):
    BINDINGS = [
        *SHELL_BINDINGS,
        Binding("K", "app.capsule", "capsule", id="capsule", tooltip="The last 15 minutes of all nodes in one file"),
    ]

    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        gpu = session.store.nodes[key.node].gpus.get(key.name)
        self.crumb = f"GPUs › {key.node}/{gpu.index if gpu else '?'}"

    def subject(self) -> Key:
        return self.key

    def node_in_hand(self) -> str:
        return self.key.node

    def host_in_hand(self) -> str:
        return self.key.node

    def facts(self) -> Sequence[Line]:
        return gpu_lines(self.session.store, self.key, self.size.width)
