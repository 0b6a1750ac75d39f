"""What each of the last hours cost, as lines: the newest first, back to where the nodes' memory begins."""

import time

from console.past_spending import PastSpending, past_bill, seen_ratio
from console.render.figures import bar
from console.render.fit import Line
from console.render.money import dollars
from console.render.pastbill import kept_lines
from console.render.table import Tone
from console.render.text import UNKNOWN
from console.store import Store
from profiles.money.cost import Bill, add
from profiles.money.money import MICRO

BAR = 24
WHOLE_RATIO = 0.99


def hour_lines(store: Store, past: PastSpending | None) -> list[Line]:
    """`past` is of a day in hours; None while nobody has answered."""
    if past is None:
        return [((" asking the nodes what they remember …", Tone.DIM),)]
    if not past.told:
        return [((" no node can tell what it cost", Tone.DIM),)]
    parts = len(next(iter(past.told.values())).parts)
    hour_s = past.window_s / parts
    bills = [past_bill(store, past, part) for part in range(parts)]
    dearest = max(MICRO // 100, *(bill.total for bill in bills))
    whole = add(bills)
    lines: list[Line] = [
        ((f" {'By hour':<14}{'$':>10}{'instances':>11}{'idle':>10}{'seen':>8}", Tone.DIM),),
        ((f" {'together':<14}{_figures(whole)}", Tone.PLAIN),),
        *(((f" {said}", Tone.DIM),) for said in kept_lines(past)),
        (),
    ]
    oldest = next((part for part in range(parts) if seen_ratio(past, part)), parts)
    for part in reversed(range(oldest, parts)):
        seen, bill = seen_ratio(past, part), bills[part]
        begins = time.strftime("%a %H:%M", time.localtime(past.at_unix_s - hour_s * (parts - part)))
        shown = _figures(bill) if seen else f"{UNKNOWN:>10}{UNKNOWN:>11}{UNKNOWN:>10}"
        drawn = bar(bill.total / dearest, BAR) if seen else ""
        tone = Tone.PLAIN if seen >= WHOLE_RATIO else Tone.DIM
        lines.append(((f" {begins:<14}{shown}{100 * seen:>6.0f} %  {drawn}".rstrip(), tone),))
    return lines


def _figures(bill: Bill) -> str:
    return f"{_plain(bill.total):>10}{_plain(bill.allocated):>11}{_plain(bill.idle):>10}"


def _plain(micro: int) -> str:
    return dollars(micro).removeprefix("$")
