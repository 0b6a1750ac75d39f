"""`s`: the user's own ssh to the host in hand, on this terminal; the console comes back when it ends."""

from textual.app import SuspendNotSupported
from textual.binding import Binding

from console import shell
from console.remote.errors import RequestFailed
from console.render.text import age, one_line
from console.screens.base import YardScreen

READABLE_S = 12.0

SHELL_BINDINGS = [
    Binding("s", "shell", "ssh", id="place.shell", tooltip="A shell on its host, by your own ssh"),
]


class OpensShell(YardScreen):
    """A screen whose rows stand on hosts. Links go on meanwhile; nothing is painted."""

    def why_not(self, action: str) -> str:
        if action != "shell":
            return super().why_not(action)
        session, node = self.session, self.host_in_hand()
        if session.why_read_only:
            return session.why_read_only
        if not node:
            return "nothing is selected"
        return "" if session.inventory and node in session.inventory.nodes else f"{node} is in no inventory"

    def host_in_hand(self) -> str:
        """Unlike `node_in_hand`, never another one than that of the row."""
        cursor = self.rows.cursor if self.rows is not None else None
        return cursor.node if cursor else ""

    def action_shell(self) -> None:
        if refusal := self.why_not("shell"):
            self.notify(f"No shell: {refusal}.", severity="warning", markup=False)
        else:
            self.run_worker(self._open_shell(self.host_in_hand()), exit_on_error=True, exclusive=True, group="shell")

    async def _open_shell(self, name: str) -> None:
        inventory, fleet = self.session.inventory, self.session.fleet
        if inventory is None:
            return
        try:
            with self.app.batch_update(), self.app.suspend():
                ended = await shell.run(shell.words(inventory.nodes[name]))
                if ended.status == shell.SSH_FAILED:
                    await shell.be_read()
        except SuspendNotSupported:
            self._say_of_shell("this terminal cannot be given to another program", bad=True)
            return
        self.app.refresh(layout=True)
        if ended.problem:
            self._say_of_shell(ended.problem, bad=True)
            return
        lasted = age(ended.ended_s - ended.began_s)
        self._say_of_shell(
            f"The shell on {name} ended after {lasted}, status {ended.status}.", bad=ended.status == shell.SSH_FAILED
        )
        if fleet is None:
            return
        try:
            await shell.note(fleet, name, ended)
        except RequestFailed as failed:
            self._say_of_shell(f"{name} keeps no note of this shell: {failed.reason.text}", bad=True)

    def _say_of_shell(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)
