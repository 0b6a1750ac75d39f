"""The tail of a log, drawn by the line. What falls off its start is counted."""

from collections import deque

from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.render.fit import fit
from console.render.table import Tone
from console.theme import Palette

LINES_KEPT = 20_000


class LogLines(ScrollView, can_focus=True):
    """Follows its end until somebody scrolls up."""

    DEFAULT_CSS = "LogLines { height: 1fr; scrollbar-size: 0 0; }"
    BINDINGS = [
        Binding("j,down", "go(1)", "Down", show=False, id="log.down", tooltip="One line down"),
        Binding("k,up", "go(-1)", "Up", show=False, id="log.up", tooltip="One line up; stops following"),
        Binding("pagedown", "go(20)", "Page down", show=False, id="log.page_down", tooltip="A page down"),
        Binding("pageup", "go(-20)", "Page up", show=False, id="log.page_up", tooltip="A page up; stops following"),
        Binding("g,home", "go(-1000000)", "Start", show=False, id="log.start", tooltip="To the oldest line kept"),
        Binding("f,G,end", "follow", "follow", id="log.follow", tooltip="To the end, and stay there"),
        Binding("n", "find(1)", "next", id="log.next", tooltip="Next line with the text"),
        Binding("N", "find(-1)", "Before", show=False, id="log.before", tooltip="The line with the text before"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.dropped = 0
        self.skipped_bytes = 0
        self.following = True
        self.needle = ""
        self._open = False
        """Whether the last line still waits for its end."""

    def append(self, text: str) -> None:
        """Add a piece as it came; a line may be cut over two pieces."""
        parts = text.split("\n")
        if self._open and self.lines:
            self.lines[-1] += parts.pop(0)
        self._open = bool(parts and parts[-1]) if parts else self._open
        if parts and not parts[-1]:
            parts.pop()
        self.dropped += max(0, len(self.lines) + len(parts) - LINES_KEPT)
        self.lines.extend(part.rstrip("\r").expandtabs(4) for part in parts)
        self._resized()

    def clear(self) -> None:
        self.lines.clear()
        self._open = False
        self.dropped = self.skipped_bytes = 0
        self._resized()

    def action_go(self, by: int) -> None:
        top = int(self.scroll_offset.y)
        last = max(0, len(self.lines) - self.size.height)
        wanted = min(max(0, top + by), last)
        self.following = wanted == last
        self._scroll(wanted)

    def action_follow(self) -> None:
        self.following = True
        self._resized()

    def action_find(self, by: int) -> None:
        """Bring the next line that holds the needle to the top."""
        if not self.needle:
            return
        at = int(self.scroll_offset.y) + by
        while 0 <= at < len(self.lines):
            if self.needle in self.lines[at].casefold():
                self.following = False
                self._scroll(at)
                return
            at += by

    def find(self, needle: str) -> None:
        self.needle = needle.casefold()
        self.refresh()

    def hits(self) -> int:
        """How many lines hold the needle."""
        return sum(self.needle in line.casefold() for line in self.lines)

    def on_resize(self) -> None:
        self._resized()

    def _resized(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.lines) + self.size.height - 1)
        if self.following:
            self._scroll(max(0, len(self.lines) - self.size.height))
        self.refresh()

    def _scroll(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        palette = Palette(self.app.current_theme)
        at, width = int(self.scroll_offset.y) + y, self.size.width
        text = self.lines[at] if at < len(self.lines) else ""
        hit = bool(self.needle) and self.needle in text.casefold()
        style = palette.base + palette.tone(Tone.WARN) if hit else palette.base
        return Strip([Segment(fit(f" {text}", width), style)], width)
