"""`:` at the foot of the screen: a line is completed as it is typed, and refused where it stands.

typed ──► offers above the line          enter ──► prepared ──► carried out
                                                     └─ what is wrong with it, and the line stays
"""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from console.keys.history import History
from console.keys.words import Vocabulary, complete
from console.naming import NotNamed
from console.render.fit import Line
from console.render.table import Tone
from console.store import Store
from console.widgets.lines import Lines

OFFERS = 8
Step = Callable[[App[None]], None]
"""What a line does, once it is known that it can."""


class Prompt(ModalScreen[Step]):
    """Answers with what is to be done; None for nothing."""

    BINDINGS = [
        Binding("escape", "dismiss(None)", "leave it", id="command.leave", tooltip="Back to the screen, nothing done"),
        Binding("tab", "complete", "complete", id="command.complete", tooltip="Take the first that is offered"),
        Binding("up", "recall(-1)", "before", id="command.before", tooltip="The line that was typed before"),
        Binding("down", "recall(1)", "after", id="command.after", tooltip="The line that was typed after it"),
    ]

    def __init__(self, store: Store, known: Vocabulary, history: History, prepare: Callable[[str], Step]) -> None:
        """`prepare` makes a step of a line. It raises NotNamed."""
        super().__init__()
        self._store, self._known, self._history, self._prepare = store, known, history, prepare
        self._lines = [*history.lines(), ""]
        self._at = len(self._lines) - 1

    def compose(self) -> ComposeResult:
        with Vertical(id="prompt"):
            yield Lines(id="offers")
            with Horizontal(id="typed"):
                yield Static(":", id="colon")
                yield Input(id="line", compact=True, suggester=_FirstOffer(self._offers))

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._offer("")

    def _offers(self, line: str) -> list[str]:
        return complete(self._store, self._known, line)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._offer(event.value)

    def _offer(self, line: str) -> None:
        """The words that may come next, and what they do."""
        found = self._offers(line)
        lines = [self._offered(one) for one in found[:OFFERS]]
        if len(found) > OFFERS:
            lines.append(((f" … {len(found) - OFFERS:,} more", Tone.DIM),))
        self._show(lines)

    def _offered(self, line: str) -> Line:
        word = self._known.find(line)
        if word is None:
            return ((f" {line}", Tone.PLAIN),)
        usage = f" {word.word} {word.takes}".rstrip()
        return ((f"{usage:<34}", Tone.PLAIN), (f"  {word.text}", Tone.DIM))

    def _show(self, lines: Sequence[Line]) -> None:
        self.query_one("#offers", Lines).show(lines)

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        line = " ".join(event.value.split())
        if not line:
            self.dismiss(None)
            return
        try:
            carried = self._prepare(line)
        except NotNamed as wrong:
            self._show(_wrong(line, wrong))
            return
        self._history.add(line)
        self.dismiss(carried)

    def action_complete(self) -> None:
        box = self.query_one(Input)
        if found := self._offers(box.value):
            more = self._known.find(found[0])
            box.value = f"{found[0]} " if more and more.takes else found[0]
            box.cursor_position = len(box.value)

    def action_recall(self, by: int) -> None:
        box = self.query_one(Input)
        self._lines[self._at] = box.value
        self._at = min(max(self._at + by, 0), len(self._lines) - 1)
        box.value = self._lines[self._at]
        box.cursor_position = len(box.value)


class _FirstOffer(Suggester):
    """The first offer in grey behind the line; → takes it."""

    def __init__(self, offers: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._offers = offers

    async def get_suggestion(self, value: str) -> str | None:
        return next(iter(self._offers(value)), None) if value else None


def _wrong(line: str, wrong: NotNamed) -> list[Line]:
    """A caret under the word that is meant, where the complaint names one that was typed."""
    words = sorted(line.split(), key=len, reverse=True)
    meant = next((word for word in words if word in wrong.reason.text.split()), "")
    at = line.find(meant) if meant else 0
    hint = f": {wrong.reason.hint}" if wrong.reason.hint else ""
    text = f"{wrong.reason.text}{hint}"
    return [((f" {line}", Tone.DIM),), ((" " * (1 + cell_len(line[:at])) + "^ " + text, Tone.BAD),)]
