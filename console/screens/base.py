"""The frame of every screen: top line, body, filter, bottom line; and how a flush reaches it."""

from collections.abc import Iterable

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from console.render.fit import Line, whole
from console.render.table import Tone
from console.screens.places import bottom
from console.screens.session import Session
from console.screens.undo import last_changed, undo_on
from console.store import Key, NodeState
from console.widgets.lines import EdgeLine
from console.widgets.rows import Rows


class YardScreen(Screen[None]):
    """One place of the console. A child says its crumb, fills its body, and takes flushes."""

    crumb = ""
    AUTO_FOCUS = ""  # the filter would be the first that can have it
    BINDINGS = [
        Binding("escape", "up", "up", id="screen.up", tooltip="Go up; filter, order and cursor stay"),
        Binding("slash", "filter", "filter", key_display="/", id="screen.filter",
                tooltip="Show the rows that hold a text"),
        Binding("exclamation_mark", "problems", "problems", key_display="!", id="screen.problems",
                tooltip="Problems only, and back"),
        Binding("U", "undo", "undo", id="screen.undo",
                tooltip="Take back the last change of the node in hand"),
    ]  # fmt: skip

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._made: list[Widget] = []

    def compose(self) -> ComposeResult:
        yield EdgeLine(id="head")
        yield from self.body()
        yield Input(placeholder="text to look for", id="filter", compact=True)
        yield EdgeLine(id="foot")

    @property
    def composed(self) -> bool:
        """Whether all its widgets exist: a flush may come before the first, and while the last ones are removed."""
        return bool(self._made) and all(widget.parent is self for widget in self._made)

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def fill(self) -> None:
        """Show everything as the store has it now."""

    def take(self, dirty: set[Key]) -> None:
        """Show what changed."""

    def on_mount(self) -> None:
        self._made = list(self.children)
        self.query_one("#filter", Input).display = False
        self.fill()

    def on_screen_resume(self) -> None:
        if self.composed:
            self.fill()
            self.tick()

    def on_resize(self) -> None:
        self.call_after_refresh(self.tick)

    def tick(self) -> None:
        """The clock and the sums of the top line; the keys of the bottom line."""
        if not self.composed:
            return
        clock = self.session.clock()
        self.query_one("#head", EdgeLine).set(whole(self.session.head(), self.size.width - len(clock) - 2), clock)
        self.show_keys()

    @on(Rows.Moved)
    @on(events.DescendantFocus)
    def show_keys(self) -> None:
        """What can be pressed here depends on the row in hand, and on what has the focus."""
        if not self.composed:
            return
        places = bottom(self.size.width, self.session.keymap)
        self.query_one("#foot", EdgeLine).set(self._keys(self.size.width - len(places) - 3), places)

    def why_not(self, action: str) -> str:
        """Why a key of this screen does nothing now; "" when it does. Its key is then drawn dim, in brackets."""
        return self.session.why_not(self.node_in_hand()) if action == "undo" else ""

    def _keys(self, room: int) -> Line:
        """The crumb and the keys of this view, as many as fit in `room` cells."""
        spans: list[tuple[str, Tone]] = [(f" {self.crumb}  ", Tone.PLAIN), (self._narrowed(), Tone.WARN)]
        room -= sum(cell_len(text) for text, _ in spans)
        shown: set[str | None] = set()
        bindings = [found.binding for found in self.active_bindings.values() if found.node is not self.app]
        for binding in sorted(bindings, key=lambda one: (one.id or "").startswith("screen.")):
            if not binding.show or binding.id in shown:
                continue
            shown.add(binding.id)
            key, what = self.app.get_key_display(binding), binding.description
            refused = bool(self.why_not(binding.action))
            room -= len(key) + len(what) + (5 if refused else 3)
            if room < 0:
                break
            spans += [(f"  ({key} {what})", Tone.DIM)] if refused else [(f"  {key}", Tone.KEY), (f" {what}", Tone.DIM)]
        return tuple(spans)

    def _narrowed(self) -> str:
        """What hides rows: nobody may take a part of a table for the whole of it."""
        rows = self.rows
        if rows is None or not (rows.order.needle or rows.order.only_problems):
            return ""
        what = "problems only: " if rows.order.only_problems else ""
        return f"{what}{len(rows.order.keys):,} of {len(rows.order.rows):,}  "

    # Filter, problems, up: what a table offers; a screen without one has none of them

    @property
    def rows(self) -> Rows | None:
        found = self.query(Rows)
        return found.first() if found else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("filter", "problems"):
            return bool(self.query(Rows))
        if action == "undo":
            return bool(self.node_in_hand())
        return action != "up" or len(self.app.screen_stack) > 2

    def node_in_hand(self) -> str:
        """Whose changes the next key is about: that of the cursor's row, else the one that was changed last."""
        cursor = self.rows.cursor if self.rows is not None else None
        return (cursor.node if cursor else "") or last_changed(self.session.store)

    def action_undo(self) -> None:
        refusal = self.why_not("undo")
        if refusal:
            self.notify(f"Nothing can be changed: {refusal}.", severity="error", markup=False)
        else:
            self.run_worker(undo_on(self, self.session, self.node_in_hand()), exit_on_error=True, exclusive=True)

    def show_only(self, needle: str) -> None:
        """As if it had been typed into the filter."""
        if self.rows is not None:
            box = self.query_one("#filter", Input)
            box.value = needle
            box.display = bool(needle)

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        if self.rows is not None:
            self.rows.narrow(event.value)

    @on(Input.Submitted, "#filter")
    def _keep(self) -> None:
        if self.rows is not None:
            self.rows.focus()
        box = self.query_one("#filter", Input)
        box.display = bool(box.value)

    def action_problems(self) -> None:
        if self.rows is not None:
            self.rows.only_problems(not self.rows.order.only_problems)

    def action_up(self) -> None:
        box = self.query_one("#filter", Input)
        if box.has_focus:
            box.value = ""
            self._keep()
        else:
            self.app.pop_screen()

    def blank(self, empty: str) -> str:
        """What an empty place says: loading, an error with its fix, or `empty`."""
        views = list(self.session.store.nodes.values())
        if not views:
            return "no nodes in the inventory: add one under `nodes:` and start again"
        if any(view.status for view in views):
            return empty
        wrong = next((view for view in views if view.why is not None), None)
        if wrong is not None and wrong.why is not None:
            return f"{wrong.name}: {wrong.why.text}. {wrong.why.hint}".strip()
        connecting = sum(view.state is NodeState.CONNECTING for view in views)
        return f"reaching {connecting} of {len(views)} nodes …"
