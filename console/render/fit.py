"""Fitting text and columns into cells of a terminal; nothing here ever wraps."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from console.render.table import Column, Tone

GAP = 2
SHRINK_FROM = 4
Span = tuple[str, Tone]
Line = tuple[Span, ...]


def printable(text: str) -> str:
    """`text` on one line and without anything that a terminal could obey: the last gate, whoever forgot to clean."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "�" for sign in text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells; what does not fit ends in `…`."""
    text = printable(text)
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
    pad = " " * (width - size)
    return pad + text if right else text + pad


def whole(line: Line, width: int) -> Line:
    """The spans from the left that fit uncut: half a figure would be another one."""
    kept: list[tuple[str, Tone]] = []
    for text, tone in line:
        width -= cell_len(text)
        if width < 0:
            break
        kept.append((text, tone))
    return tuple(kept)


def cut(line: Line, width: int) -> Line:
    """`line` in at most `width` cells; what does not fit ends in `…`."""
    kept: list[Span] = []
    for text, tone in line:
        if cell_len(text) > width:
            return (*kept, (fit(text, max(1, width)), tone))
        kept.append((text, tone))
        width -= cell_len(text)
    return tuple(kept)


def wrapped(lines: Sequence[Line], width: int) -> list[Line]:
    """`lines` in which those of one span go on below where they do not fit."""
    found: list[Line] = []
    for line in lines:
        if len(line) != 1 or cell_len(line[0][0]) <= width:
            found.append(line)
            continue
        text, tone = line[0]
        found += [((part, tone),) for part in wrap(printable(text), width)]
    return found


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, cut between words where that is possible."""
    lines = [""]
    for word in text.split():
        if lines[-1] and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(word) > width:
            lines[-1] = set_cell_size(word, width).rstrip() or word[:1]
            word = word[len(lines[-1]) :]
            lines.append("")
        lines[-1] = word
    return lines


def layout(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """(position in `columns`, width in cells) of what fits in `width`.

    The least important columns go first, from the right among equals; the growing columns share the rest.
    """
    sizes = [column.width for column in columns]
    shown = list(range(len(columns)))
    while len(shown) > 1 and _needed(sizes, shown) > width:
        last = max(shown, key=lambda at: (columns[at].priority, at))
        if columns[last].priority <= SHRINK_FROM:
            sizes = [column.width if column.least is None else column.least for column in columns]
            if _needed(sizes, shown) <= width:
                break
        shown.remove(last)
    spare = max(0, width - _needed(sizes, shown))
    growing = [at for at in shown if columns[at].grow]
    more = spare // len(growing) if growing else 0
    return [(at, min(sizes[at] + (more if columns[at].grow else 0), width)) for at in shown]


def _needed(sizes: Sequence[int], shown: Sequence[int]) -> int:
    return sum(sizes[at] for at in shown) + GAP * (len(shown) - 1)
