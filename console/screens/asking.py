"""A question that is answered with a word."""

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from console.render.table import Tone
from console.widgets.lines import Lines


class Asking(ModalScreen[str]):
    """Answers with what was typed, or "" for nothing."""

    BINDINGS = [Binding("escape", "dismiss('')", "leave it", id="asking.leave", tooltip="Change nothing")]

    def __init__(self, question: str, example: str) -> None:
        super().__init__()
        self._question, self._example = question, example

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(id="said")
            yield Input(placeholder=self._example, id="word", compact=True)

    def on_mount(self) -> None:
        self.query_one("#said", Lines).show([((self._question, Tone.PLAIN),)])
        self.query_one("#word", Input).focus()

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())
