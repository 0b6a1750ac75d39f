"""Money of a window of the past, as lines: what it went to, and how much of the window is known."""

from collections.abc import Iterator

from console.past_spending import PastSpending, kept_short
from console.render import text
from console.render.bill import dated, ranked
from console.render.money import dollars, money_cell
from console.render.table import Cell, Column, Tone
from console.store import Store
from profiles.money.cost import Bill
from profiles.money.money import MICRO

SHOWN_NODES = 3


def past_lines(bill: Bill, past: PastSpending, store: Store) -> list[str]:
    """A table of fixed shape; what has no price is said, never summed."""
    rows = (
        ("instances", bill.allocated), ("  of it idle", bill.idle), ("foreign", bill.foreign),
        ("unallocated", bill.unallocated), ("all", bill.total),
    )  # fmt: skip
    lines = [f"{'':<14}{'$ in ' + text.age(past.window_s):>16}"]
    lines += [f"{name:<14}{dollars(micro).removeprefix('$'):>16}" for name, micro in rows]
    if bill.unpriced:
        lines.append(f"unpriced      {text.plural(bill.unpriced, 'GPU')}: in no sum; see `gpuyard cost prices`")
    return [*lines, "", *kept_lines(past), dated(store)]


def kept_lines(past: PastSpending) -> Iterator[str]:
    """`of 24h00m, fra-1 has 6h12m`: what nobody saw is in no sum. Nothing where all of it was seen."""
    short = kept_short(past)
    if short:
        shown = [f"{node} has {text.age(seen_s)}" for node, seen_s in list(short.items())[:SHOWN_NODES]]
        left = len(short) - SHOWN_NODES
        more = f" and {text.plural(left, 'more node')} not all of it" if left > 0 else ""
        yield f"of {text.age(past.window_s)}, {', '.join(shown)}{more}: the rest is in no sum"


def past_item(bill: Bill, past: PastSpending, store: Store) -> dict[str, object]:
    return {
        "window_s": past.window_s, "usd": bill.total / MICRO, "instances_usd": bill.allocated / MICRO,
        "idle_usd": bill.idle / MICRO, "foreign_usd": bill.foreign / MICRO,
        "unallocated_usd": bill.unallocated / MICRO, "unpriced_gpus": bill.unpriced, "kept_s": kept_short(past),
        "prices": dated(store),
    }  # fmt: skip


def past_columns(by: str, window_s: float) -> tuple[Column, ...]:
    return (
        Column("group", by.capitalize(), 16, priority=1, names=True),
        Column("usd", f"$ in {text.age(window_s)}", 14, right=True, priority=1),
        Column("share", "Share %", 7, right=True, priority=2),
    )


def past_rows(groups: dict[str, int]) -> list[tuple[Cell, ...]]:
    """Dearest first."""
    whole = sum(groups.values())
    return [
        (Cell(name or "nobody", name, Tone.PLAIN if name else Tone.DIM), money_cell(micro),
         Cell(f"{100 * micro / whole:.1f}" if whole else text.UNKNOWN))
        for name, micro in ranked(groups)
    ]  # fmt: skip
