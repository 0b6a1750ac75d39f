"""One GPU: what it does and for whom, what went wrong, where it sits."""

from collections.abc import Iterable

from textual.widget import Widget

from console.render.gpu import gpu_lines
from console.screens.base import YardScreen
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.store import Key
from console.widgets.lines import Lines


class GpuScreen(OpensShell, YardScreen):
    BINDINGS = [*SHELL_BINDINGS]

    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        gpu = session.store.nodes[key.node].gpus.get(key.name)
        self.crumb = f"GPUs › {key.node}/{gpu.index if gpu else '?'}"

    def node_in_hand(self) -> str:
        return self.key.node

    def host_in_hand(self) -> str:
        return self.key.node

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def on_mount(self) -> None:
        detail = self.query_one("#detail", Lines)
        detail.can_focus = True
        detail.focus()

    def fill(self) -> None:
        self.query_one("#detail", Lines).show(gpu_lines(self.session.store, self.key, self.size.width))

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()
