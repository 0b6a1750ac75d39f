"""Nodes: is it there, how loaded is it, what is wrong with it."""

from collections.abc import Callable
from functools import partial

from textual import on
from textual.binding import Binding

from console.render.nodes import NODE_COLUMNS, node_row
from console.render.table import Row
from console.screens.cordoning import CORDON_BINDINGS, CordonsPlaces
from console.screens.dialog import Dialog
from console.screens.gpus import GpusScreen
from console.screens.node import NodeScreen
from console.screens.processes import ProcessesScreen
from console.screens.shell import SHELL_BINDINGS, OpensShell
from console.screens.tables import TableScreen
from console.screens.trust import rotation_dialog, trust_dialog
from console.store import Key, Kind, NodeState
from console.widgets.rows import Rows


class NodesScreen(CordonsPlaces, OpensShell, TableScreen):
    crumb = "nodes"
    kind = Kind.NODE
    columns = NODE_COLUMNS
    empty = "no nodes in the inventory"
    BINDINGS = [
        *CORDON_BINDINGS,
        *SHELL_BINDINGS,
        Binding("d", "detail", "detail", id="nodes.detail", tooltip="All of it: link, machine, agent, GPUs, events"),
        Binding("p", "processes", "processes", id="nodes.processes", tooltip="Its processes on GPUs and of instances"),
        Binding("t", "trust", "trust key", id="nodes.trust", tooltip="Look at an unknown or new host key and store it"),
        Binding("r", "retry", "retry", id="nodes.retry", tooltip="Try a refused node again now"),
    ]

    def make(self, key: Key) -> Row | None:
        return node_row(self.session.store, key)

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        if self._unknown(event.key):
            self.action_trust()
        else:
            self.app.push_screen(GpusScreen(self.session, event.key.node))

    def action_detail(self) -> None:
        if (key := self.table().cursor) is not None:
            self.app.push_screen(NodeScreen(self.session, key.node))

    def action_processes(self) -> None:
        if (key := self.table().cursor) is not None:
            self.app.push_screen(ProcessesScreen(self.session, key.node))

    def action_trust(self) -> None:
        key, fleet = self.table().cursor, self.session.fleet
        if key is None or fleet is None or self.why_not("trust"):
            self.notify(f"Nothing to trust: {self.why_not('trust')}.", markup=False)
        elif unknown := fleet.unknown_key(key.node):
            self._ask(trust_dialog(key.node, unknown), partial(fleet.trust, key.node))
        elif rotation := fleet.rotation(key.node):
            self._ask(rotation_dialog(key.node, rotation), partial(fleet.record, key.node))

    def _ask(self, dialog: Dialog, store: Callable[[], None]) -> None:
        def answered(answer: str | None) -> None:
            if answer != "y":
                return
            try:
                store()
            except OSError as error:
                self.notify(f"The key is not stored: {error}.", severity="error", markup=False)

        self.app.push_screen(dialog, answered)

    def action_retry(self) -> None:
        key, fleet, refusal = self.table().cursor, self.session.fleet, self.why_not("retry")
        if key is None or fleet is None or refusal:
            self.notify(f"Nothing to try again: {refusal}.", markup=False)
            return
        fleet.retry(key.node)
        self.notify(f"Trying {key.node} again.", markup=False)

    def why_not(self, action: str) -> str:
        if action not in ("trust", "retry", "detail"):
            return super().why_not(action)
        key = self.table().cursor
        if key is None or action == "detail":
            return "" if key else "no node is selected"
        if self.session.fleet is None:
            return "the fleet is still being reached"
        if action == "retry":
            state = self.session.store.nodes[key.node].state
            return f"{key.node} is {state}" if state in (NodeState.UP, NodeState.STALE, NodeState.CONNECTING) else ""
        waits = self._unknown(key) or self.session.store.nodes[key.node].new_keys
        return "" if waits else f"no host key of {key.node} waits for a yes"

    def _unknown(self, key: Key) -> bool:
        fleet, view = self.session.fleet, self.session.store.nodes[key.node]
        return view.state is NodeState.REFUSED and fleet is not None and fleet.unknown_key(key.node) is not None
