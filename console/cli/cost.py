"""`gpuyard cost`: the fleet's money, now or of late, by whom; what-if cases; the sheet that it is worked out by."""

import argparse
import asyncio
import datetime
from pathlib import Path

from console.cli.cost_window import show_window, window_of
from console.cli.output import CommandFailed, Exit, Format, print_json
from console.cli.session import inventory_of, prices_or_fail, reached
from console.cli.table import print_table
from console.render.bill import bill_item, bill_lines, group_cells, group_columns, ranked
from console.render.money import dollars
from console.render.prices import PRICE_COLUMNS, price_cells
from console.spending import grouped, of_fleet
from profiles.money import costcase, prices
from profiles.money.costcase import Answer, Case
from profiles.money.money import MICRO
from profiles.observed.status import Reason
from profiles.text.document import FileError


def show(options: argparse.Namespace) -> int:
    return asyncio.run(_show(options))


async def _show(options: argparse.Namespace) -> int:
    output = Format(options.output)
    window_s = None if options.window is None else window_of(options.window)
    async with reached(inventory_of(options)) as found:
        store = found.store
        if window_s is not None:
            return await show_window(found, options, window_s)
        if options.by is None:
            bill = of_fleet(store)
            if output is Format.JSON:
                print_json("cost", [bill_item(bill, store)])
            else:
                print("\n".join(bill_lines(bill, store)))
        else:
            groups = grouped(store, options.by)
            if output is Format.JSON:
                print_json("cost", [{options.by: name, "usd_h": part / MICRO} for name, part in groups.items()])
            else:
                rows = [group_cells(name, part, sum(groups.values())) for name, part in ranked(groups)]
                print_table(group_columns(options.by), rows, wide=output is Format.WIDE)
        return found.say_lost(found.lost())


def show_prices(options: argparse.Namespace) -> int:
    rows = prices_or_fail().rows
    today = datetime.datetime.now(tz=datetime.UTC).date()
    output = Format(options.output)
    if output is Format.JSON:
        print_json("prices", [_price_item(row, price, today) for row, price in rows])
    elif output is Format.NAME:
        print("\n".join(dict.fromkeys(row.gpu for row, _ in rows)))
    else:
        print_table(PRICE_COLUMNS, [price_cells(row, price, today) for row, price in rows], wide=output is Format.WIDE)
    return Exit.DONE


def case(options: argparse.Namespace) -> int:
    try:
        asked, found = costcase.load(_case_file(options.file))
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_case", str(error), error.hint)) from None
    if Format(options.output) is Format.JSON:
        print_json("cost-case", [_case_item(asked, found)])
    else:
        print("\n".join(_case_lines(asked, found)))
    return Exit.DONE


def _case_file(given: str) -> Path:
    """A path, or the name of a case that ships."""
    shipped = costcase.SHIPPED / f"{given}.yaml"
    return shipped if "/" not in given and not Path(given).exists() and shipped.exists() else Path(given)


def _price_item(row: prices.PriceRow, price: prices.Price, today: datetime.date) -> dict[str, object]:
    return {
        "gpu": row.gpu, "site": row.site, "node": row.node, "usd_h": price.fixed_microusd_h / MICRO,
        "usd_kwh": price.microusd_kwh / MICRO, "date": row.date, "source": row.source,
        "stale": price.is_stale(today),
    }  # fmt: skip


def _case_item(asked: Case, found: Answer) -> dict[str, object]:
    changed = found.changed_microusd_day
    return {
        "case": asked.case, "tokens_per_day": found.tokens_per_day, "usd_day": found.microusd_day / MICRO,
        "usd_year": found.microusd_year / MICRO,
        "models": {name: micro / MICRO for name, micro in found.models.items()},
        "changed_usd_day": None if changed is None else changed / MICRO, "saving_ratio": found.saving_ratio,
        "payback_days": found.payback_days, "roi_year_ratio": found.roi_year_ratio,
    }  # fmt: skip


def _case_lines(asked: Case, found: Answer) -> list[str]:
    lines = [f"{asked.case}: {asked.description}" if asked.description else asked.case, ""]
    lines += [_line("tokens a day", f"{found.tokens_per_day:,}")]
    lines += [_line(f"  {name}", f"{dollars(micro)} a day") for name, micro in found.models.items()]
    lines += [
        _line("in all", f"{dollars(found.microusd_day)} a day"),
        _line("", f"{dollars(found.microusd_year)} a year of 365 days"),
    ]
    if found.changed_microusd_day is not None:
        lines += ["", _line("changed", f"{dollars(found.changed_microusd_day)} a day"), *_effect(found)]
    return lines


def _effect(found: Answer) -> list[str]:
    lines = []
    if found.saving_ratio is not None:
        word = "saves" if found.saving_ratio >= 0 else "costs more"
        lines.append(_line(word, f"{abs(found.saving_ratio):.1%}"))
    if found.payback_days is not None:
        lines.append(_line("paid back", f"after {found.payback_days:,.0f} days"))
    if found.roi_year_ratio is not None:
        lines.append(_line("returns", f"{found.roi_year_ratio:.0%} in the first year"))
    return lines


def _line(name: str, value: str) -> str:
    return f"{name:<16}{value:>24}".rstrip() if name else f"{'':<16}{value:>24}"
