"""Puts it on record where a budget is gone over: nodes know no prices, so the console that sees it says so.

    over at two looks in a row ──NoteBudget──► a node that the budget is spent on ──► an event, once a day

Any console may say it, and several may be open: the node writes it down once.
"""

import asyncio
import secrets

from agents.wire import BudgetNoted, NoteBudget
from console.operations import Requests
from console.remote.errors import NodeUnreachable, RequestFailed
from console.spending import BY, over_budget
from console.store import Store
from profiles.money.budgets import Budget, Over

LOOK_EVERY_S = 30.0
DAY_S = 86_400.0


class BudgetWatch:
    """Of one console."""

    def __init__(self, fleet: Requests, store: Store) -> None:
        self._fleet = fleet
        self._store = store
        self._over: set[Budget] = set()
        """At the last look: a service that is rolled is twice as dear for a minute, and no news."""
        self._noted: dict[Budget, int] = {}
        """Budget → the day of UTC on which a node has it."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        found = over_budget(self._store)
        today = int(self._store.wall() // DAY_S)
        for one in found:
            if one.budget in self._over and self._noted.get(one.budget) != today and await self._note(one):
                self._noted[one.budget] = today
        self._over = {one.budget for one in found}

    async def _note(self, one: Over) -> bool:
        """Whether it is settled for today: also where the node cannot take it, as one of an older version."""
        node = self._spent_on(one.budget)
        if node is None:
            return False
        ask = NoteBudget(
            kind=one.budget.kind,
            name=one.budget.name,
            microusd_day=one.microusd_day,
            budget_microusd_day=one.budget.microusd_day,
            key=secrets.token_hex(16),
        )
        try:
            await self._fleet.request(node, ask, BudgetNoted)
        except NodeUnreachable:
            return False
        except RequestFailed:
            return True
        return True

    def _spent_on(self, budget: Budget) -> str | None:
        """The same node for every console that sees the same: the first by its name."""
        whose = BY[budget.kind]
        return min(
            (view.name for view in self._store.nodes.values() if view.counted
             for status in view.instances.values() if whose(view, status) == budget.name),
            default=None,
        )  # fmt: skip
