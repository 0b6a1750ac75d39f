"""What a GPU costs an hour, by sheets that people edit: rented at a price, or owned.

    the file that ships (prices.yaml) ──┐
    the user's own ─────────────────────┴─► Sheet.of(type, site, node) ──► Price | None

A row that names a node wins over one of a site, that over one of the type alone; the user's file wins over ours. Prices
are read on the console; nodes send energy and times.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from profiles.gpu.gputypes import types
from profiles.money.budgets import Budget, BudgetsRequest, parse_budgets
from profiles.money.money import A_KWH, AN_HOUR, DOLLARS, BadMoney, amount
from profiles.text.conform import convert
from profiles.text.document import Document, Where
from profiles.text.units import duration_s
from profiles.text.yamltext import read

FILE = Path(__file__).with_name("prices.yaml")
VERSION = 1
STALE_DAYS = 180


class Owned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine of one's own: what it cost and for how long, and what its power costs.

    `pue` is all power of the site for one watt of the machines; `overhead` what the host draws beside its GPUs, as a
    share of theirs.
    """

    purchase: str
    lifetime: str = "1460d"
    energy: str = "0.12 $/kWh"
    pue: float = 1.3
    overhead: float = 0.3


class PriceRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a sheet: either `price` or `owned`."""

    gpu: str
    date: str
    source: str
    price: str | None = None
    owned: Owned | None = None
    site: str | None = None
    node: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gpuyard: int
    prices: list[PriceRow] = []
    budgets: BudgetsRequest = BudgetsRequest()


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Of one GPU. What it draws is paid on top where it is owned; a rented one's price has it in."""

    fixed_microusd_h: int
    """Rent, or purchase ÷ lifetime."""
    microusd_kwh: int = 0
    """With PUE and the host's overhead in."""
    date: datetime.date
    source: str

    def microusd_h(self, power_w: float | None) -> int:
        """At `power_w`; unknown power costs nothing here, and whoever shows it says so."""
        return self.fixed_microusd_h + round((power_w or 0.0) * self.microusd_kwh / 1000)

    def is_stale(self, today: datetime.date) -> bool:
        return (today - self.date).days > STALE_DAYS


class Sheet:
    """Rows with their prices; the earlier file's win. An empty sheet prices nothing."""

    def __init__(self, rows: Sequence[tuple[PriceRow, Price]] = (), budgets: Sequence[Budget] = ()) -> None:
        self.rows = tuple(rows)
        self.budgets = tuple(budgets)
        self._found: dict[tuple[str | None, str, str], Price | None] = {}

    def of(self, gpu: str | None, site: str = "", node: str = "") -> Price | None:
        """None is unpriced, which is not free."""
        key = (gpu, site, node)
        if key not in self._found:
            self._found[key] = self._look(*key)
        return self._found[key]

    def _look(self, gpu: str | None, site: str, node: str) -> Price | None:
        fits = [
            ((row.node is not None) * 2 + (row.site is not None), price)
            for row, price in self.rows
            if row.gpu == gpu and row.site in (None, site) and row.node in (None, node)
        ]
        return max(fits, key=lambda one: one[0])[1] if fits else None


def load(own: Path | None) -> Sheet:
    """The user's file, where there is one, before ours. Raises FileError with the place."""
    sheets = [parse(read(path)) for path in (own, FILE) if path is not None]
    return Sheet([row for one in sheets for row in one.rows], [budget for one in sheets for budget in one.budgets])


def parse(document: Document) -> Sheet:
    """Raises FileError: a unit that does not fit, a GPU that nobody knows, two rows for one thing."""
    file = convert(document, _File)
    if file.gpuyard != VERSION:
        raise document.error(("gpuyard",), f"version {file.gpuyard} of this file is not known", f"write `{VERSION}`")
    seen: set[tuple[str, str | None, str | None]] = set()
    found = []
    for place, row in enumerate(file.prices):
        key = (row.gpu, row.site, row.node)
        if key in seen:
            message = f"a second price for {row.gpu}"
            raise document.error(("prices", place), message, "keep one, or say `site:` or `node:`")
        seen.add(key)
        found.append((row, _price(document, ("prices", place), row)))
    return Sheet(found, parse_budgets(document, file.budgets))


def _price(document: Document, here: Where, row: PriceRow) -> Price:
    if row.gpu not in types():
        raise document.error((*here, "gpu"), f"no GPU type `{row.gpu}` is known", f"known: {', '.join(types())}")
    try:
        date = datetime.date.fromisoformat(row.date)
    except ValueError:
        raise document.error((*here, "date"), f"`{row.date}` is no date", "write it like 2026-11-09") from None
    if (row.price is None) == (row.owned is None):
        raise document.error(here, "a row has either `price` or `owned`", "`price: 2.95 $/h` is rented")
    if row.owned is not None:
        return _owned(document, (*here, "owned"), row.owned, date, row.source)
    return Price(fixed_microusd_h=_money(document, (*here, "price"), row.price or "", AN_HOUR), date=date,
                 source=row.source)  # fmt: skip


def _owned(document: Document, here: Where, owned: Owned, date: datetime.date, source: str) -> Price:
    purchase = _money(document, (*here, "purchase"), owned.purchase, DOLLARS)
    energy = _money(document, (*here, "energy"), owned.energy, A_KWH)
    lifetime_s = duration_s(owned.lifetime)
    if not lifetime_s:
        raise document.error((*here, "lifetime"), f"`{owned.lifetime}` is no lifetime", "in days: `1460d`")
    if owned.pue < 1:
        raise document.error((*here, "pue"), f"`pue` is {owned.pue}", "1 or more: all power ÷ that of the machines")
    if not 0 <= owned.overhead <= 10:
        raise document.error((*here, "overhead"), f"`overhead` is {owned.overhead}", "a share of the GPUs' power: 0.3")
    return Price(
        fixed_microusd_h=round(purchase * 3600 / lifetime_s),
        microusd_kwh=round(energy * owned.pue * (1 + owned.overhead)),
        date=date,
        source=source,
    )


def _money(document: Document, where: Where, text: str, unit: str) -> int:
    try:
        return amount(text, unit)
    except BadMoney as error:
        raise document.error(where, error.message, error.hint) from None
