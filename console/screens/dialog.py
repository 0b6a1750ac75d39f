"""Questions. The safe answer is the default; keys pressed before the question was painted do not count."""

import time
from collections.abc import Mapping, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from console.render.fit import Line, wrapped
from console.render.table import Tone
from console.widgets.lines import Lines

NOTHING: Mapping[str, str] = {}
WIDTH = 80
MARGIN = 16
"""What stands left and right of the words: border, padding and a tenth of the screen."""


class Dialog(ModalScreen[str]):
    """Shows lines and answers with the key of a choice, or "" for none (esc, n, or enter)."""

    def __init__(
        self,
        lines: Sequence[Line],
        choices: Sequence[tuple[str, str]],
        safe: str = "leave it",
        dimmed: Mapping[str, str] = NOTHING,
    ) -> None:
        """`dimmed` are keys of choices that cannot be chosen → why."""
        super().__init__()
        self._dimmed = dimmed
        self._said = lines
        self._choices = choices
        self._safe = safe
        self._painted_at: float | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(id="said")

    def on_mount(self) -> None:
        self.app.clear_notifications()  # on a small screen they would lie on the answers
        self._say()
        self.call_after_refresh(self._arm)

    def on_resize(self) -> None:
        self._say()

    def _say(self) -> None:
        """What there is to know, then one line a choice."""
        choices = [*self._choices, ("enter/esc", self._safe)]
        answers = [self._answer(key, text) for key, text in choices]
        width = min(WIDTH, self.app.size.width - MARGIN)
        self.query_one(Lines).show([*wrapped(self._said, width), (), *wrapped(answers, width)])

    def _answer(self, key: str, text: str) -> Line:
        if why := self._dimmed.get(key):
            return ((f" ({key}) {text}: {why}", Tone.DIM),)
        return ((f" {key:<9}  ", Tone.KEY), (text, Tone.PLAIN))

    def _arm(self) -> None:
        self._painted_at = time.monotonic()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self._painted_at is None or event.time < self._painted_at:
            return
        if event.key in ("enter", "escape", "n"):
            self.dismiss("")
        elif event.key in [key for key, _ in self._choices if key not in self._dimmed]:
            self.dismiss(event.key)
