"""Requests about the layouts of GPUs, carried out."""

from agents import wire
from agents.fractions.layouts import Layouts

LayoutAsk = wire.PlanLayout | wire.ApplyLayout | wire.SettleLayout | wire.ReadLayouts


async def divided(layouts: Layouts, author: str, ask: LayoutAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError."""
    match ask:
        case wire.PlanLayout(gpu=gpu, undo=True):
            return wire.LayoutPlanned(plan=await layouts.plan_undo(gpu))
        case wire.PlanLayout(gpu=gpu, request=request):
            return wire.LayoutPlanned(plan=await layouts.plan(gpu, request))
        case wire.ApplyLayout():
            change = await layouts.apply(
                ask.gpu, ask.expected, ask.wanted, drain=ask.drain, author=author, reason=ask.reason
            )
            return wire.LayoutChanging(change=change)
        case wire.SettleLayout(gpu=gpu, back=back):
            return wire.LayoutChanging(change=layouts.settle(gpu, back=back, author=author))
        case wire.ReadLayouts():
            return wire.Layouts(records=layouts.records)
