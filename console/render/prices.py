"""Rows of the price sheet."""

import datetime

from console.render.money import money_cell
from console.render.table import Cell, Column, Tone
from profiles.money.prices import Price, PriceRow

PRICE_COLUMNS = (
    Column("gpu", "GPU", 8, priority=1, names=True),
    Column("where", "Where", 10, priority=2, names=True),
    Column("rate", "$/h", 7, right=True, priority=1),
    Column("energy", "$/kWh", 7, right=True, priority=4),
    Column("date", "Date", 10, priority=1),
    Column("source", "Source", 16, priority=3, grow=True),
)


def price_cells(row: PriceRow, price: Price, today: datetime.date) -> tuple[Cell, ...]:
    """`everywhere` where the row names no site and no node; a stale date says so."""
    stale = price.is_stale(today)
    return (
        Cell(row.gpu, row.gpu),
        Cell(row.node or row.site or "everywhere", row.node or row.site or ""),
        money_cell(price.fixed_microusd_h),
        money_cell(price.microusd_kwh or None, digits=3),
        Cell(f"{row.date} stale" if stale else row.date, row.date, Tone.WARN if stale else Tone.PLAIN),
        Cell(row.source, row.source, Tone.DIM),
    )
