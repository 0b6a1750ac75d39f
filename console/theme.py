"""Tones as colours: the only place where a colour is named."""

from dataclasses import replace

from rich.style import Style
from textual.theme import Theme

from console.contexts import ThemeName
from console.render.table import Tone

YARD = Theme(
    name="yard",
    primary="#5aa2e0",
    secondary="#8fa3b3",
    accent="#5aa2e0",
    foreground="#d4d7dc",
    background="#111417",
    surface="#161a1e",
    panel="#1d2227",
    success="#7bbf7a",
    warning="#e0b44c",
    error="#f0685f",
    dark=True,
)

RED = replace(
    YARD, name="red", primary="#ff8a80", accent="#ff8a80", background="#1f1112", surface="#26161a", panel="#3a1d20"
)
THEMES = {ThemeName.YARD: YARD, ThemeName.RED: RED}
_DIM = "#79828c"


class Palette:
    """The styles of one theme, made once: drawing a line never resolves a colour."""

    def __init__(self, theme: Theme) -> None:
        foreground = theme.foreground or "#d4d7dc"
        background = theme.background or "#111417"
        self.base = Style.parse(f"{foreground} on {background}")
        self.header = self.base + Style.parse(f"bold {theme.secondary or _DIM}")
        self.selected = Style.parse(f"on {'#26405a' if theme.dark else '#cfe3f5'}")
        self._tones = {
            Tone.PLAIN: Style(),
            Tone.BAD: Style.parse(f"bold {theme.error or 'red'}"),
            Tone.WARN: Style.parse(theme.warning or "yellow"),
            Tone.GOOD: Style.parse(theme.success or "green"),
            Tone.DIM: Style.parse(_DIM),
            Tone.KEY: Style.parse(f"bold {theme.primary}"),
        }

    def tone(self, tone: Tone) -> Style:
        return self._tones[tone]
