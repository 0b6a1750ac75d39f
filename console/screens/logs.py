"""The log of one instance: follow, scroll, search; what is missing is counted."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Input

from agents.wire import LogPiece
from console.logs import Interrupted
from console.remote.errors import RemoteError
from console.render.fit import Line
from console.render.table import Tone
from console.render.text import plural
from console.screens.base import YardScreen
from console.screens.session import Session
from console.store import Key
from console.widgets.lines import Lines
from console.widgets.log_lines import LogLines


class LogsScreen(YardScreen):
    BINDINGS = [
        Binding("slash", "filter", "find", key_display="/", id="screen.filter", tooltip="Find the lines with a text"),
        Binding("p", "previous", "previous run", id="logs.previous", tooltip="The log of the run before, and back"),
    ]

    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        self.crumb = f"{key.node} › {key.name} › log"
        self.previous = False
        self._state: tuple[str, Tone] = ("reading …", Tone.DIM)
        self._incarnation: int | None = None

    def node_in_hand(self) -> str:
        return self.key.node

    def body(self) -> Iterable[Widget]:
        yield Lines(id="about")
        yield LogLines(id="log")

    def on_mount(self) -> None:
        self.query_one(LogLines).focus()
        self._read()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return True if action == "filter" else super().check_action(action, parameters)

    def action_previous(self) -> None:
        self.previous = not self.previous
        self._incarnation = None
        self.query_one(LogLines).clear()
        self._read()

    def _read(self) -> None:
        self._state = ("reading …", Tone.DIM)
        self.fill()
        self.run_worker(self._tail(), exclusive=True)

    async def _tail(self) -> None:
        operations = self.session.operations
        if operations is None:
            self._state = ("the fleet is still being reached: esc, then l again", Tone.DIM)
            return
        try:
            pieces = operations.log(self.key.node, self.key.name, previous=self.previous, follow=not self.previous)
            async for piece in pieces:
                if isinstance(piece, Interrupted):
                    self._state = (f"the link is lost, waiting for it: {piece.reason.text}", Tone.WARN)
                else:
                    self._take(piece)
            self._state = ("end of the log", Tone.DIM)
        except RemoteError as error:
            self._state = (str(error), Tone.BAD)
        self.fill()

    def _take(self, piece: LogPiece) -> None:
        if not self.composed:
            return
        log = self.query_one(LogLines)
        if self._incarnation not in (None, piece.incarnation):
            log.append(f"\n── started again (run {piece.incarnation}) ──\n")
        self._incarnation = piece.incarnation
        log.skipped_bytes += piece.skipped_bytes
        log.append(piece.text)
        self._state = ("", Tone.DIM)
        self.fill()

    def fill(self) -> None:
        if not self.composed:
            return  # an answer may come while the screen is taken down
        log = self.query_one(LogLines)
        run = "" if self._incarnation is None else f" run {self._incarnation}"
        line: Line = ((f" {'previous' if self.previous else 'current'}{run}   {len(log.lines):,} lines", Tone.DIM),)
        lost = [plural(count, word) for count, word in ((log.dropped, "line"), (log.skipped_bytes, "byte")) if count]
        if lost:
            line = (*line, (f"   not shown: {', '.join(lost)}", Tone.WARN))
        line = (*line, ("   following" if log.following else "   paused: f follows", Tone.DIM))
        if log.needle:
            line = (*line, (f"   {plural(log.hits(), 'line')} with “{log.needle}”", Tone.WARN))
        self.query_one("#about", Lines).show([(*line, (f"   {self._state[0]}", self._state[1]))])

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()

    @on(Input.Changed, "#filter")
    def _find(self, event: Input.Changed) -> None:
        self.query_one(LogLines).find(event.value)
        self.fill()

    @on(Input.Submitted, "#filter")
    def _found(self) -> None:
        log = self.query_one(LogLines)
        log.focus()
        log.action_find(1)
