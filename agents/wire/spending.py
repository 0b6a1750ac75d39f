"""Money: what the GPUs of a node were given to, without a price; and budgets, which only consoles know."""

import msgspec

from agents.wire.base import Answer, Ask, Change
from profiles.money.spent import GpuTime


class ReadSpent(Ask, frozen=True, kw_only=True):
    """The last `last_s`, in so many `parts` of one length; from the last whole ten seconds backwards."""

    last_s: float
    parts: int = 1


class SpentPart(msgspec.Struct, frozen=True, kw_only=True):
    """`seen_s` is how much of it the node has observed."""

    seen_s: int
    gpus: tuple[GpuTime, ...] = ()


class Spent(Answer, frozen=True, kw_only=True):
    """Oldest first, `part_s` each, up to `to_unix_s` by the node's clock."""

    to_unix_s: float
    part_s: float
    parts: tuple[SpentPart, ...]


class NoteBudget(Change, frozen=True, kw_only=True):
    """Who asks sees a budget gone over, by the prices that he has: for the record, a claim.

    `kind` and `name` are of a profiles.money.budgets.Budget. The node writes it down once a day.
    """

    kind: str
    name: str
    microusd_day: int
    budget_microusd_day: int


class BudgetNoted(Answer, frozen=True, kw_only=True):
    """It is on record; `anew` False since earlier that day."""

    anew: bool
