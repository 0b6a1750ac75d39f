"""GPUs: how busy, how full, whose."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding

from console.render.gpus import GPU_COLUMNS, gpu_row
from console.render.table import Column, Row
from console.screens.cordoning import CORDON_BINDINGS, CordonsPlaces
from console.screens.gpu import GpuScreen
from console.screens.instances import InstancesScreen
from console.screens.processes import ProcessesScreen
from console.screens.session import Session
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows


class GpusScreen(CordonsPlaces, OpensShell, TableScreen):
    kind = Kind.GPU
    columns: ClassVar[Sequence[Column]] = GPU_COLUMNS
    BINDINGS = [
        *CORDON_BINDINGS,
        Binding("d", "detail", "detail", id="gpus.detail", tooltip="All of it: work, memory, errors, MIG, processes"),
        Binding("p", "processes", "processes", id="gpus.processes", tooltip="Who is on this GPU"),
        *SHELL_BINDINGS,
    ]
    empty = "no GPUs here: the nodes screen (2) says why in its last column"

    def __init__(self, session: Session, node: str | None = None) -> None:
        super().__init__(session)
        self.node = node
        self.crumb = f"nodes › {node} › GPUs" if node else "GPUs"

    def make(self, key: Key) -> Row | None:
        return gpu_row(self.session.store, key)

    def action_detail(self) -> None:
        if (key := self.table().cursor) is not None:
            self.app.push_screen(GpuScreen(self.session, key))

    def why_not(self, action: str) -> str:
        if action not in ("detail", "processes"):
            return super().why_not(action)
        return "" if self.table().cursor else "no GPU is selected"

    def action_processes(self) -> None:
        if (key := self.table().cursor) is not None and (gpu := self.session.store.nodes[key.node].gpus.get(key.name)):
            self.app.push_screen(ProcessesScreen(self.session, key.node, gpu.index))

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        self.app.push_screen(InstancesScreen(self.session, event.key.node))
