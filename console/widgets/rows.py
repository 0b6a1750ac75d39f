"""A table of many rows that draws only the lines that changed.

Store ──dirty keys──► Rows.change ──► Order.update ──► refresh of the lines that look different
"""

from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.render.fit import fit, layout
from console.render.table import Column, RowMaker, Tone
from console.store import Key
from console.theme import Palette
from console.widgets.order import Order
from console.widgets.strips import draw, header

CATCH_UP_EVERY_S = 0.04
CATCH_UP_S = 0.003
StripKey = tuple[Key, int, bool, int]


class Rows(ScrollView, can_focus=True):
    """Rows of one kind under a header. The cursor stays on its key, wherever sorting takes it."""

    DEFAULT_CSS = "Rows { height: 1fr; scrollbar-size: 0 0; }"
    BINDINGS = [
        Binding("down,j", "move(1)", "Down", show=False, id="rows.down", tooltip="One row down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="rows.up", tooltip="One row up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="rows.page_down", tooltip="One page down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="rows.page_up", tooltip="One page up"),
        Binding("home,g", "end(0)", "First", show=False, id="rows.first", tooltip="To the first row"),
        Binding("end,G", "end(1)", "Last", show=False, id="rows.last", tooltip="To the last row"),
        Binding("n", "problem(1)", "Next problem", show=False, id="rows.next", tooltip="To the next problem"),
        Binding("N", "problem(-1)", "Last problem", show=False, id="rows.previous", tooltip="To the problem before"),
        Binding("o", "sort", "Sort", show=False, id="rows.sort", tooltip="Sort by the next column"),
        Binding("O", "reverse", "Reverse", show=False, id="rows.reverse", tooltip="Reverse the order"),
        Binding("enter", "open", "open", key_display="enter", id="rows.open", tooltip="Open what is selected"),
    ]

    class Opened(Message):
        """Enter was pressed on a row."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """The cursor is on another row, or on none."""

    def __init__(self, columns: Sequence[Column], make: RowMaker, *, empty: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.order = Order(columns, make)
        self.empty = empty
        self.cursor: Key | None = None
        self._strips: dict[StripKey, Strip] = {}
        self._layout: list[tuple[int, int]] = []
        self._palette: Palette | None = None

    def on_mount(self) -> None:
        self.set_interval(CATCH_UP_EVERY_S, self._catch_up)

    def _catch_up(self) -> None:
        if self.order.stale and self.screen.is_active and self.order.catch_up(CATCH_UP_S):
            self.order.arrange()
            self._rearranged()

    # What is shown

    def load(self, keys: Iterable[Key]) -> None:
        """Show exactly `keys`."""
        self.order.load(keys)
        self._rearranged()

    def change(self, keys: Collection[Key]) -> None:
        """Draw the rows of `keys` anew where they differ; those out of sight are made a few at a time."""
        top, order = int(self.scroll_offset.y), self.order
        seen = set(order.keys[top : top + self.size.height])
        now = [key for key in keys if key in seen or key not in order.rows]
        order.stale.update(key for key in keys if key not in seen and key in order.rows)
        changed, moved = order.update(now)
        if moved:
            order.arrange()
            self._rearranged()
            return
        lines = [1 + place - top for place in changed if 0 <= place - top < self.size.height - 1]
        if lines:
            self.refresh(*(Region(0, line, self.size.width, 1) for line in lines))

    def narrow(self, needle: str) -> None:
        """Keep the rows in which any cell holds `needle`, whatever its case."""
        self.order.needle = needle.casefold()
        self.order.arrange()
        self._rearranged()

    def only_problems(self, only: bool) -> None:
        self.order.only_problems = only
        self.order.arrange()
        self._rearranged()

    def sort_by(self, column: int, descending: bool) -> None:
        self.order.column, self.order.descending = column, descending
        self.order.arrange()
        self._rearranged()

    def settle(self) -> None:
        """Sort again by the values of now."""
        if self.order.arrange():
            self._rearranged()

    def _rearranged(self) -> None:
        if self.cursor not in self.order.places:
            self.cursor = self.order.keys[0] if self.order.keys else None
            self.post_message(self.Moved())
        if len(self._strips) > 4 * max(500, len(self.order.keys)):
            self._strips.clear()
        before, self.virtual_size = self.virtual_size, Size(self.size.width, len(self.order.keys) + 1)
        self._keep_cursor_in_view()
        self.refresh(layout=self.styles.is_auto_height and before.height != self.virtual_size.height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + max(2, len(self.order.keys))

    def tail(self) -> str:
        """The growing text of the row with the cursor where the table cuts or drops it, else ""."""
        row = self.order.rows.get(self.cursor) if self.cursor else None
        at = next((at for at, column in enumerate(self.columns) if column.grow), None)
        if row is None or at is None:
            return ""
        text = row.cells[at].text
        return text if cell_len(text) > dict(self._layout).get(at, 0) else ""

    # Moving

    def select(self, key: Key) -> None:
        """Put the cursor on `key` when it is shown."""
        if key in self.order.places:
            self._go(self.order.places[key])

    def action_move(self, by: int) -> None:
        self._go(self._place() + by)

    def action_page(self, by: int) -> None:
        self._go(self._place() + by * max(1, self.size.height - 2))

    def action_end(self, last: int) -> None:
        self._go(len(self.order.keys) - 1 if last else 0)

    def action_problem(self, by: int) -> None:
        count, here = len(self.order.keys), self._place()
        for step in range(1, count + 1):
            place = (here + by * step) % count
            if self.order.rows[self.order.keys[place]].is_problem:
                self._go(place)
                return

    def action_sort(self) -> None:
        shown = [at for at, _ in self._layout] or [0]
        here = shown.index(self.order.column) if self.order.column in shown else -1
        column = shown[(here + 1) % len(shown)]
        self.sort_by(column, descending=self.columns[column].right)

    def action_reverse(self) -> None:
        self.sort_by(self.order.column, not self.order.descending)

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self.cursor))

    def on_click(self, event: events.Click) -> None:
        if event.y >= 1:
            self._go(int(self.scroll_offset.y) + event.y - 1)

    def _place(self) -> int:
        return self.order.places.get(self.cursor, 0) if self.cursor else 0

    def _go(self, place: int) -> None:
        keys = self.order.keys
        if not keys:
            return
        before = self._place()
        place = min(max(place, 0), len(keys) - 1)
        self.cursor = keys[place]
        self.post_message(self.Moved())
        if self._keep_cursor_in_view():
            self.refresh()
        else:
            top = int(self.scroll_offset.y)
            self.refresh(*(Region(0, 1 + at - top, self.size.width, 1) for at in {before, place}))

    def _keep_cursor_in_view(self) -> bool:
        """Scroll by as little as shows the cursor; True when it scrolled."""
        room, place, top = self.size.height - 1, self._place(), int(self.scroll_offset.y)
        wanted = min(max(top, place - room + 1), place) if room > 0 else top
        wanted = max(0, min(wanted, len(self.order.keys) - room))
        if wanted == top:
            return False
        self.scroll_to(y=wanted, animate=False, immediate=True, force=True)
        return True

    # Drawing

    def on_resize(self) -> None:
        self._layout = layout(self.columns, self.size.width - 2)
        self._strips.clear()
        self._rearranged()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palette = None
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        palette = self._palette = self._palette or Palette(self.app.current_theme)
        width = self.size.width
        if y == 0:
            order = self.order
            return header(self.columns, self._layout, order.column, order.descending, palette, width)
        place = int(self.scroll_offset.y) + y - 1
        if place >= len(self.order.keys):
            text = "  " + self._empty_text() if y == 2 and not self.order.keys else ""
            return Strip([Segment(fit(text, width), palette.base + palette.tone(Tone.DIM))], width)
        key = self.order.keys[place]
        row = self.order.fresh(key)
        if row is None:
            return Strip.blank(width, palette.base)
        selected = key == self.cursor
        name = (key, self.order.versions[key], selected, width)
        strip = self._strips.get(name)
        if strip is None:
            strip = self._strips[name] = draw(row, self.columns, self._layout, selected, palette, width)
        return strip

    def _empty_text(self) -> str:
        if self.order.only_problems:
            return "no problems here: ! shows everything"
        return f"nothing matches “{self.order.needle}”: / changes it" if self.order.needle else self.empty
