"""A plan as items, and how far it is."""

import msgspec
from msgspec.structs import replace

from console.render.load import load_text
from console.render.text import one_line
from console.settling import Settling
from profiles.money.plan_money import PlanMoney
from profiles.plans.plan import Action, Plan

_NO_MONEY = PlanMoney()


def plan_items(plan: Plan, money: PlanMoney = _NO_MONEY) -> list[dict[str, object]]:
    """The steps as plain data, then the memory and the money of GPUs; blockers as steps that cannot be."""
    items: list[dict[str, object]] = [dict(msgspec.to_builtins(step)) for step in plan.steps]
    items += [{"action": "memory", **msgspec.to_builtins(row)} for row in plan.memory]
    items += [{"action": "money", **msgspec.to_builtins(row)} for row in money.gpus]
    items += [{"action": "blocked", "reason": msgspec.to_builtins(blocker)} for blocker in plan.blockers]
    return items


def settling_line(now: Settling, *, timed: bool = True) -> str:
    """`fra-1 chat/0 loading reading weights 40%, about 25s left`; without the time it changes by steps alone."""
    where = f"{now.step.node} {now.step.instance}"
    if now.ok is False and now.reason is not None:
        hint = f" — {now.reason.hint}" if now.reason.hint else ""
        phase = f" {now.status.phase}" if now.status else ""
        return one_line(f"{where}{phase}: {now.reason.text}{hint}")
    if now.step.action in (Action.CORDON, Action.UNCORDON):
        return f"{now.step.node}: {now.step.instance} {'is' if now.ok else 'will be'} {now.step.action}ed"
    if now.status is None:
        return f"{where} {'is gone' if now.ok else 'is wanted'}"
    words = [where, str(now.status.phase)]
    if now.ok is None and now.status.load is not None:
        words.append(load_text(now.status.load if timed else replace(now.status.load, expected_s=None)))
    if now.ok is None and now.reason is not None:
        words.append(f"({now.reason.text})")
    return one_line(" ".join(words))
