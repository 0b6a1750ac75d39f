"""The end of the process in hand: menu → question with its blast radius → the node does it, or says why not."""

from textual.binding import Binding

from console.processes import list_into, terminate
from console.remote.errors import RequestFailed
from console.render.blast import blast
from console.render.table import Tone
from console.render.text import one_line
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.store import Key
from profiles.observed.processes import NodeProcess
from profiles.observed.status import Role

READABLE_S = 12.0

TERMINATE_BINDINGS = [
    Binding("x", "end_process", "actions", id="process.act", tooltip="Terminate it: an admin's, and asked first"),
]


class EndsProcesses(YardScreen):
    """A screen with a process in hand."""

    def process_in_hand(self) -> Key | None:
        raise NotImplementedError

    def why_not(self, action: str) -> str:
        if action != "end_process":
            return super().why_not(action)
        key, one = self._found()
        if key is None or one is None:
            return "no process is selected"
        if refusal := self.session.why_not(key.node):
            return refusal
        role = self.session.store.nodes[key.node].role
        if role is not Role.ADMIN:
            return f"your role on {key.node} is {role}: an admin may terminate processes"
        return "" if one.start_ticks is not None else "it is in another pid namespace: end it in its container"

    def action_end_process(self) -> None:
        refusal, (key, one) = self.why_not("end_process"), self._found()
        if key is None or one is None or refusal:
            self.notify(f"Nothing can be ended: {refusal}.", severity="warning", markup=False)
            return
        node, name = key.node, f"{key.node}/{one.pid} {one.name}"

        def chosen(sign: str | None) -> None:
            if sign:
                lines = [((blast(self.session.store, node, one), Tone.PLAIN),)]
                self.app.push_screen(Dialog(lines, [("y", "yes, terminate it")]), answered)

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.run_worker(self._terminate(node, one), exit_on_error=True)

        self.app.push_screen(Dialog([((name, Tone.PLAIN),)], [("1", "terminate")], safe="nothing"), chosen)

    def _found(self) -> tuple[Key | None, NodeProcess | None]:
        key = self.process_in_hand()
        return key, self.session.store.nodes[key.node].processes.get(key.name) if key else None

    async def _terminate(self, node: str, one: NodeProcess) -> None:
        fleet = self.session.fleet
        if fleet is None:
            return
        self._tell(f"{node}/{one.pid} is asked to end, and killed after 5 s.")
        try:
            await terminate(fleet, node, one)
        except RequestFailed as failed:
            self._tell(f"{node}/{one.pid}: {failed.reason.text}. {failed.reason.hint}", bad=True)
            return
        self._tell(f"{node}/{one.pid} is gone.")
        await list_into(fleet, self.session.store, node)

    def _tell(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)
