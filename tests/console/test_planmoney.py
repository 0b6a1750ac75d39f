"""The money of a plan, as people read it."""

from console.render.planmoney import money_in_short, money_lines
from profiles.money.budgets import Budget, Over
from profiles.money.plan_money import GpuMoney, PlanMoney


def row(index: int, before: int | None, after: int | None) -> GpuMoney:
    return GpuMoney(node="fra-1", gpu_index=index, before_microusd_h=before, after_microusd_h=after)


def test_a_table_of_gpus_with_its_sum_and_what_is_in_none() -> None:
    budget = Budget(kind="service", name="chat", microusd_day=100_000_000)
    money = PlanMoney(gpus=(row(0, 2_950_000, 0), row(11, 0, 737_500), row(3, None, None)),
                      over=(Over(budget=budget, microusd_day=141_600_000),))  # fmt: skip
    assert list(money_lines(money)) == [
        "  $/h              before       after           Δ",
        "  fra-1 gpu0         2.95        0.00       −2.95",
        "  fra-1 gpu11        0.00        0.74       +0.74",
        "  fra-1 gpu3            –           –           –",
        "  in all             2.95        0.74       −2.21",
        "  unpriced: 1 GPU, in no sum; see `gpuyard cost prices`",
        "  ! over budget: service chat would spend $141.60 a day of $100.00",
    ]
    assert money_in_short(money) == "$2.95/h → $0.74/h (−$2.21/h)"


def test_one_gpu_needs_no_sum_and_none_needs_no_table() -> None:
    assert len(list(money_lines(PlanMoney(gpus=(row(0, 0, 1_000_000),))))) == 2
    assert list(money_lines(PlanMoney(gpus=(row(0, 2_950_001, 2_950_000),))))[1].endswith(" 0.00")
    assert not list(money_lines(PlanMoney()))
    assert money_in_short(PlanMoney()) == money_in_short(PlanMoney(gpus=(row(0, None, None),))) == ""
