"""The lines of a page about one thing: a label, and what is known under it."""

from console.render.fit import Line, wrap
from console.render.table import Tone

LABEL = 14


def entry(label: str, text: str, tone: Tone = Tone.PLAIN) -> Line:
    return ((f" {label:<{LABEL}}", Tone.DIM), (text, tone))


def long_entry(label: str, text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """An entry that goes on below where it does not fit."""
    parts = wrap(text, max(20, width - LABEL - 2))
    return [entry(label if at == 0 else "", part, tone) for at, part in enumerate(parts)]
