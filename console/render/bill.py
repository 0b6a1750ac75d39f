"""Money of the fleet as lines and rows: now, and what a day, a month and a year would be at this rate."""

import datetime
from collections.abc import Mapping

from console.render import text
from console.render.fit import Line
from console.render.money import dollars, money_cell
from console.render.table import Cell, Column, Tone
from console.spending import of_fleet, over_budget
from console.store import Store
from profiles.money.budgets import Over
from profiles.money.cost import Bill
from profiles.money.money import HOURS_A_DAY, HOURS_A_MONTH, HOURS_A_YEAR, MICRO

SPANS = (
    ("$/h", 1, 10), ("$/day", HOURS_A_DAY, 12), ("$/month", HOURS_A_MONTH, 14), ("$/year", HOURS_A_YEAR, 16),
)  # fmt: skip
"""Title, hours and width. A year is 365 days, and a month the twelfth of it."""


def bill_lines(bill: Bill, store: Store) -> list[str]:
    """A table of fixed shape; what has no price is said, never summed."""
    rows = (
        ("instances", bill.allocated), ("  of it idle", bill.idle), ("foreign", bill.foreign),
        ("unallocated", bill.unallocated), ("all", bill.total),
    )  # fmt: skip
    lines = [f"{'':<14}" + "".join(f"{title:>{width}}" for title, _, width in SPANS)]
    for name, micro in rows:
        lines.append(f"{name:<14}" + "".join(_at(micro, hours, width) for _, hours, width in SPANS))
    if bill.unpriced:
        lines.append(f"unpriced      {text.plural(bill.unpriced, 'GPU')}: in no sum; see `gpuyard cost prices`")
    lines += [f"over budget   {over_text(one)}" for one in over_budget(store)]
    return [*lines, "", dated(store)]


def over_text(one: Over, does: str = "spends") -> str:
    """`service chat-70b spends $708.00 a day of $600.00`."""
    spent, budget = dollars(one.microusd_day), one.budget
    return f"{budget.kind} {budget.name} {does} {spent} a day of {dollars(budget.microusd_day)}"


def dated(store: Store) -> str:
    """Between which days the prices are from that are in use."""
    dates = sorted({price.date for _, price in store.sheet.rows})
    if not dates:
        return "no price sheet"
    today = datetime.datetime.fromtimestamp(store.wall(), tz=datetime.UTC).date()
    stale = sum(price.is_stale(today) for _, price in store.sheet.rows)
    old = f", {text.plural(stale, 'row')} stale" if stale else ""
    return f"prices of {dates[0]} to {dates[-1]}{old}"


def bill_item(bill: Bill, store: Store) -> dict[str, object]:
    return {
        "usd_h": bill.total / MICRO, "instances_usd_h": bill.allocated / MICRO, "idle_usd_h": bill.idle / MICRO,
        "foreign_usd_h": bill.foreign / MICRO, "unallocated_usd_h": bill.unallocated / MICRO,
        "unpriced_gpus": bill.unpriced, "prices": dated(store),
        "over_budget": [
            {one.budget.kind: one.budget.name, "usd_day": one.microusd_day / MICRO,
             "budget_usd_day": one.budget.microusd_day / MICRO}
            for one in over_budget(store)
        ],
    }  # fmt: skip


def spent_now(store: Store) -> Line:
    """`$2,431/h  idle $212/h`, for the top line; nothing where nothing has a price."""
    bill = of_fleet(store)
    if not bill.total:
        return ()
    idle = ((f"  idle {_short(bill.idle)}/h", Tone.WARN if bill.idle * 4 > bill.allocated else Tone.DIM),)
    return ((f"   {_short(bill.total)}/h", Tone.PLAIN), *(idle if bill.idle else ()))


def group_columns(by: str) -> tuple[Column, ...]:
    name = Column("group", by.capitalize(), 16, priority=1, names=True)
    spans = (Column(title, title, width - 2, right=True, priority=1) for title, _, width in SPANS)
    return (name, *spans, Column("share", "Share %", 7, right=True, priority=2))


def group_cells(name: str, part: int, whole: int) -> tuple[Cell, ...]:
    share = 100 * part / whole if whole else None
    shown = Cell(name or "nobody", name, Tone.PLAIN if name else Tone.DIM)
    return (shown, *(money_cell(part * hours) for _, hours, _ in SPANS),
            Cell(text.UNKNOWN if share is None else f"{share:.1f}", share))  # fmt: skip


def ranked(groups: Mapping[str, int]) -> list[tuple[str, int]]:
    """Dearest first."""
    return sorted(groups.items(), key=lambda one: (-one[1], one[0]))


def _at(micro: int, hours: int, width: int) -> str:
    return f"{dollars(micro * hours).removeprefix('$'):>{width}}"


def _short(micro: int) -> str:
    """Whole dollars from a hundred on: the top line has little room."""
    return f"${micro / MICRO:,.0f}" if micro >= 100 * MICRO else f"${micro / MICRO:,.2f}"
