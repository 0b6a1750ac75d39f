"""What may be spent a day, by owner and by service, beside what is: a warning, never a refusal.

    budgets:
      owners: {search-team: 800 $}
      services: {chat-70b: 600 $}

In the user's own prices.yaml. What is spent is what a day would be at the rate of now.
"""

from collections.abc import Mapping

import msgspec

from profiles.money.money import DOLLARS, HOURS_A_DAY, BadMoney, amount
from profiles.text.document import Document

KINDS = ("owner", "service")


class BudgetsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As people write it: a name → `$` a day."""

    owners: dict[str, str] = {}
    services: dict[str, str] = {}


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is one of KINDS, and `name` the owner's or the service's."""

    kind: str
    name: str
    microusd_day: int


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """A budget, and what a day costs at this rate."""

    budget: Budget
    microusd_day: int


def parse_budgets(document: Document, asked: BudgetsRequest) -> tuple[Budget, ...]:
    """Raises FileError with the place."""
    found = []
    for kind, field, rows in zip(KINDS, asked.__struct_fields__, (asked.owners, asked.services), strict=True):
        for name, text in rows.items():
            try:
                found.append(Budget(kind=kind, name=name, microusd_day=amount(text, DOLLARS)))
            except BadMoney as error:
                raise document.error(("budgets", field, name), error.message, error.hint) from None
    return tuple(found)


def over(budgets: tuple[Budget, ...], spent_h: Mapping[str, Mapping[str, int]]) -> list[Over]:
    """`spent_h` is micro-dollars an hour by name, of each kind. The furthest over first, by its share."""
    found = [Over(budget=one, microusd_day=spent_h[one.kind].get(one.name, 0) * HOURS_A_DAY) for one in budgets]
    exceeded = [one for one in found if one.microusd_day > one.budget.microusd_day]
    return sorted(exceeded, key=lambda one: one.microusd_day / max(1, one.budget.microusd_day), reverse=True)
