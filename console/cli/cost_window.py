"""`gpuyard cost --window 1h`: what the fleet cost in a window of the past, as its nodes remember it."""

import argparse

from console.cli.output import CommandFailed, Exit, Format, print_json, say, say_reason
from console.cli.session import Reached
from console.cli.table import print_table
from console.past_spending import PastSpending, ask_spent, past_bill, past_grouped
from console.render.pastbill import kept_lines, past_columns, past_item, past_lines, past_rows
from profiles.money.money import MICRO
from profiles.observed.status import Reason
from profiles.text.units import duration_s

SHORTEST_S, LONGEST_S = 10.0, 7 * 86_400.0


def window_of(text: str) -> float:
    """Seconds. Raises CommandFailed."""
    seconds = duration_s(text)
    if seconds is None or not SHORTEST_S <= seconds <= LONGEST_S:
        hint = "like 15m, 1h or 24h: from 10s to 7d; nodes keep about a day"
        raise CommandFailed(Exit.USAGE, Reason("bad_window", f"`{text}` is no window", hint))
    return seconds


async def show_window(found: Reached, options: argparse.Namespace, window_s: float) -> Exit:
    past = await ask_spent(found.fleet, found.store, window_s)
    by: str | None = options.by
    if Format(options.output) is Format.JSON:
        print_json("cost", _items(found, past, by))
    elif by is None:
        print("\n".join(past_lines(past_bill(found.store, past), past, found.store)))
    else:
        rows = past_rows(past_grouped(found.store, past, by))
        print_table(past_columns(by, window_s), rows, wide=Format(options.output) is Format.WIDE)
        for line in kept_lines(past):
            say(line)
    for node, reason in past.refused.items():
        say_reason(reason, node)
    lost = found.say_lost()
    return max(lost, Exit.FAILED) if past.refused else lost


def _items(found: Reached, past: PastSpending, by: str | None) -> list[dict[str, object]]:
    if by is None:
        return [past_item(past_bill(found.store, past), past, found.store)]
    groups = past_grouped(found.store, past, by)
    return [{by: name, "usd": micro / MICRO, "window_s": past.window_s} for name, micro in groups.items()]
