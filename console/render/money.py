"""Money as people read it: whole cents, thousands parted, and never a zero for what is unknown."""

from console.render import text
from console.render.table import Cell, Tone
from profiles.money.money import MICRO


def dollars(micro: int) -> str:
    """`$18,250.00`."""
    cents = (abs(micro) + MICRO // 200) // (MICRO // 100)
    sign = "−" if micro < 0 and cents else ""
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


def money_cell(micro: int | None, *, digits: int = 2) -> Cell:
    """Under a header that says $; None is unknown or unpriced."""
    if micro is None:
        return Cell(text.UNKNOWN, tone=Tone.DIM)
    return Cell(f"{micro / MICRO:,.{digits}f}", micro / MICRO)
