"""What may be spent a day, read from a price sheet and held against what is spent."""

from pathlib import Path

import pytest

from profiles.money.budgets import Budget, over
from profiles.money.prices import load
from profiles.text.document import FileError

DOLLAR = 1_000_000


def sheet(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(f"gpuyard: 1\n{text}")
    return path


def test_a_file_may_have_budgets_alone(tmp_path: Path) -> None:
    found = load(sheet(tmp_path, "budgets:\n  owners: {search: 800 $}\n  services: {chat: 60.50 $}\n"))
    assert found.budgets == (
        Budget(kind="owner", name="search", microusd_day=800 * DOLLAR),
        Budget(kind="service", name="chat", microusd_day=60_500_000),
    )
    assert found.of("H100") is not None, "the prices that ship are there as well"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budgets: {owners: {search: 800 $/h}}", "`800 $/h` is in $/h, not in $"),
        ("budgets: {owners: {search: -1 $}}", "negative"),
        ("budgets: {teams: {search: 800 $}}", "teams"),
    ],
)
def test_a_budget_in_another_unit_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileError) as refused:
        load(sheet(tmp_path, text))
    assert said in str(refused.value)
    assert ":2:" in str(refused.value)


def test_the_furthest_over_is_first_and_a_budget_that_is_met_is_kept() -> None:
    budgets = tuple(Budget(kind="service", name=name, microusd_day=240 * DOLLAR) for name in ("chat", "embed", "exact"))
    found = over(budgets, {"owner": {}, "service": {"chat": 11 * DOLLAR, "embed": 20 * DOLLAR, "exact": 10 * DOLLAR}})
    assert [(one.budget.name, one.microusd_day) for one in found] == [("embed", 480 * DOLLAR), ("chat", 264 * DOLLAR)]
