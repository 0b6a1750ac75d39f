"""What consoles have written down on a node, over its real socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents import wire
from tests.agents.test_gate import ask
from tests.agents.test_server import Running, directory, serving  # noqa: F401


@pytest.fixture
async def node(directory: Path) -> AsyncIterator[Running]:  # noqa: F811
    async with serving(directory) as running:
        yield running


def over(name: str = "chat", spent: int = 708_000_000, kind: str = "service") -> wire.NoteBudget:
    return wire.NoteBudget(kind=kind, name=name, microusd_day=spent, budget_microusd_day=600_000_000)


async def test_a_budget_is_noted_once_a_day_whoever_says_it(node: Running) -> None:
    ann, bob = await node.operator(author="ann", telemetry=False), await node.operator(author="bob", telemetry=False)
    assert await ask(ann, over()) == wire.BudgetNoted(anew=True)
    assert await ask(bob, over(spent=709_000_000)) == wire.BudgetNoted(anew=False)
    assert await ask(bob, over("chat-2")) == wire.BudgetNoted(anew=True)
    assert await ask(bob, over(kind="owner")) == wire.BudgetNoted(anew=True)
    said = [(one.text, one.author, one.severity) for one in node.events.after(0, 100) if one.code == "over_budget"]
    assert said == [
        ("service chat spends $708.00 a day of $600.00", "ann", "warning"),
        ("service chat-2 spends $708.00 a day of $600.00", "bob", "warning"),
        ("owner chat spends $708.00 a day of $600.00", "bob", "warning"),
    ]


@pytest.mark.parametrize("asked", [over(kind="team"), over(""), over("x" * 300)])
async def test_what_is_no_budget_is_refused(node: Running, asked: wire.NoteBudget) -> None:
    console = await node.operator(telemetry=False)
    answer = await ask(console, asked)
    assert isinstance(answer, wire.Failure)
    assert answer.code == "invalid"
