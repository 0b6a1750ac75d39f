"""The cost screen as lines: the fleet's money at this rate, and who spends it."""

from console.render.bill import bill_lines, ranked
from console.render.figures import bar
from console.render.fit import Line, fit
from console.render.money import dollars
from console.render.table import Tone
from console.render.text import UNKNOWN
from console.spending import grouped, of_fleet, per_million, tokens
from console.store import Store
from profiles.money.money import HOURS_A_MONTH, MICRO

BAR = 24
_NAME = 26


def cost_lines(store: Store, by: str) -> list[Line]:
    bill = of_fleet(store)
    if not bill.total and not bill.unpriced:
        return [((" no GPU answers, so nothing costs anything", Tone.DIM),)]
    *table, _, when = bill_lines(bill, store)
    tones = [Tone.DIM, *[Tone.PLAIN] * 5, *[Tone.WARN] * len(table)]  # below the sums: unpriced, over budget
    lines: list[Line] = [((f" {text}", tone),) for text, tone in zip(table, tones, strict=False)]
    if bill.idle:
        lines[2] = ((f" {table[2]}", Tone.WARN),)
    return [*lines, (), ((f" {when}", Tone.DIM),), (), *_groups(store, by)]


def _groups(store: Store, by: str) -> list[Line]:
    groups = grouped(store, by)
    whole = sum(groups.values())
    made = tokens(store, by)
    head = f" {fit(f'By {by}', _NAME)}{'$/h':>10}{'$/month':>14}{'$/1M':>9}  {'Share':<{BAR + 8}}"
    lines: list[Line] = [((head.rstrip(), Tone.DIM),)]
    for name, micro in ranked(groups):
        million = per_million(micro, [made.get(name)])
        share = micro / whole if whole else None
        a_million = UNKNOWN if million is None else _plain(million)
        figures = f"{_plain(micro):>10}{_plain(micro * HOURS_A_MONTH):>14}{a_million:>9}"
        lines.append(
            (
                (f" {fit(name or 'nobody', _NAME)}", Tone.PLAIN if name else Tone.DIM),
                (figures, Tone.PLAIN),
                (f"  {bar(share, BAR)} {100 * (share or 0):>5.1f} %", Tone.DIM),
            )
        )
    return lines if groups else [*lines, ((" no instance has a GPU that has a price", Tone.DIM),)]


def _plain(micro: int) -> str:
    """Without its sign, which stands in the header; small change keeps its digits."""
    return f"{micro / MICRO:.3f}" if 0 < micro < MICRO // 10 else dollars(micro).removeprefix("$")
