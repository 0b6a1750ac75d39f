"""A bar of several parts on one fixed scale, in the order that they are given."""

from collections.abc import Sequence
from typing import NamedTuple

from console.render.fit import Line
from console.render.table import Tone


class Layer(NamedTuple):
    """`sign` fills the cells of `amount`."""

    sign: str
    amount: float
    tone: Tone = Tone.PLAIN


def stacked(layers: Sequence[Layer], width: int) -> Line:
    """Exactly `width` cells for the sum of `layers`; what is there at all has a cell, as far as there are any."""
    present = [layer for layer in layers if layer.amount > 0]
    total = sum(layer.amount for layer in present)
    if not total or len(present) > width:
        return ((" " * width, Tone.DIM),)
    spare = width - len(present)
    shares = [layer.amount / total * width for layer in present]
    over = [max(0.0, share - 1) for share in shares]
    scaled = [more / (sum(over) or 1) * spare for more in over]
    cells = [1 + int(more) for more in scaled]
    by_rest = sorted(range(len(present)), key=lambda at: int(scaled[at]) - scaled[at])
    for at in by_rest[: width - sum(cells)]:
        cells[at] += 1
    return tuple((layer.sign * size, layer.tone) for layer, size in zip(present, cells, strict=True))
