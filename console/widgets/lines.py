"""A few lines of toned text that repaints only the lines that differ."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.render.fit import Line, cut, printable
from console.render.table import Tone
from console.theme import Palette


class Lines(ScrollView, can_focus=False):
    """Shows `lines` from the top; never wraps."""

    DEFAULT_CSS = "Lines { height: auto; scrollbar-size: 0 0; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []
        self._palette: Palette | None = None

    def show(self, lines: Sequence[Line]) -> None:
        """Replace what is shown."""
        before, self.lines = self.lines, list(lines)
        if len(before) != len(self.lines):
            self.virtual_size = Size(1, len(self.lines))
            self.refresh(layout=True)
            return
        top = int(self.scroll_offset.y)
        changed = [at - top for at, (old, new) in enumerate(zip(before, self.lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, at, self.size.width, 1) for at in changed))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.lines)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palette = None

    def render_line(self, y: int) -> Strip:
        palette = self._palette = self._palette or Palette(self.app.current_theme)
        at, width = int(self.scroll_offset.y) + y, self.size.width
        line = self.lines[at] if at < len(self.lines) else ()
        segments = [Segment(printable(text), palette.base + palette.tone(tone)) for text, tone in line if text]
        length = sum(cell_len(segment.text) for segment in segments)
        return Strip(segments, length).adjust_cell_length(width, palette.base).simplify()


class EdgeLine(Lines):
    """One line with something at its right end, which is never lost."""

    DEFAULT_CSS = "EdgeLine { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._set: tuple[Line, str] = ((), "")

    def set(self, line: Line, right: str = "") -> None:
        self._set = line, right
        left = cut(line, self.size.width - len(right) - 2)
        gap = self.size.width - sum(cell_len(text) for text, _ in left) - len(right) - 1
        self.show([(*left, (" " * max(1, gap) + right, Tone.DIM))])

    def on_resize(self) -> None:
        self.set(*self._set)
