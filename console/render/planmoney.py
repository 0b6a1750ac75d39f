"""The money of a plan as lines: what instances pay for each GPU that it touches, before and after."""

from collections.abc import Iterator

from console.render.bill import over_text
from console.render.money import dollars
from console.render.text import UNKNOWN, plural
from profiles.money.plan_money import GpuMoney, PlanMoney

ALL = "in all"


def money_in_short(money: PlanMoney) -> str:
    """`$11.80/h → $8.85/h (−$2.95/h)`; "" where no GPU that has a price is touched."""
    if money.unpriced == len(money.gpus):
        return ""
    before, after = dollars(money.before_microusd_h), dollars(money.after_microusd_h)
    return f"{before}/h → {after}/h ({_signed(money.delta_microusd_h)}/h)"


def money_lines(money: PlanMoney) -> Iterator[str]:
    """A table in $/h, then what is in no sum and which budgets the plan goes over; nothing where nothing changes."""
    if money.gpus:
        names = [f"{row.node} gpu{row.gpu_index}" for row in money.gpus]
        width = max(len(ALL), *map(len, names))
        yield f"  {'$/h':<{width}}  {'before':>10}  {'after':>10}  {'Δ':>10}"
        for name, row in zip(names, money.gpus, strict=True):
            yield f"  {name:<{width}}  {_figures(row)}"
        if len(money.gpus) > 1:
            yield f"  {ALL:<{width}}  {_amounts(money.before_microusd_h, money.after_microusd_h)}"
    if money.unpriced:
        yield f"  unpriced: {plural(money.unpriced, 'GPU')}, in no sum; see `gpuyard cost prices`"
    yield from (f"  ! over budget: {over_text(one, 'would spend')}" for one in money.over)


def _figures(row: GpuMoney) -> str:
    if row.before_microusd_h is None or row.after_microusd_h is None:
        return "  ".join(f"{UNKNOWN:>10}" for _ in range(3))
    return _amounts(row.before_microusd_h, row.after_microusd_h)


def _amounts(before: int, after: int) -> str:
    figures = (dollars(before), dollars(after), _signed(after - before))
    return "  ".join(f"{figure.replace('$', ''):>10}" for figure in figures)


def _signed(micro: int) -> str:
    return f"+{dollars(micro)}" if micro > 0 else dollars(micro)
