"""How GPUs are divided by MIG: what a person plans, applies, undoes and settles, for the command line and screens.

plan ──► GpuPlan ──apply──► follow: GpuChange after GpuChange, until it is ready, rolled back or stuck
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping

from agents.wire import ApplyLayout, LayoutChanging, LayoutPlanned, Layouts, PlanLayout, ReadLayouts, SettleLayout
from console.operations import Requests
from profiles.gpu.repartition import GpuChange, GpuPlan, GpuRecord

PLAN_DEADLINE_S = 30.0
"""A driver that nobody holds open takes seconds for the first question."""
LOOK_EVERY_S = 0.5


async def plan_layout(fleet: Requests, node: str, gpu_uuid: str, request: Mapping[str, int] | None) -> GpuPlan:
    """`request` None is MIG off. Raises RequestFailed."""
    ask = PlanLayout(gpu=gpu_uuid, request=None if request is None else dict(request))
    return (await fleet.request(node, ask, LayoutPlanned, deadline_s=PLAN_DEADLINE_S)).plan


async def plan_undo(fleet: Requests, node: str, gpu_uuid: str) -> GpuPlan:
    """Raises RequestFailed."""
    ask = PlanLayout(gpu=gpu_uuid, undo=True)
    return (await fleet.request(node, ask, LayoutPlanned, deadline_s=PLAN_DEADLINE_S)).plan


async def apply_layout(
    fleet: Requests, node: str, plan: GpuPlan, reason: str, *, drain: bool, token: int | None = None
) -> GpuChange:
    """Under way when this returns. Raises RequestFailed."""
    ask = ApplyLayout(
        gpu=plan.gpu_uuid, expected=plan.plan.now, wanted=plan.plan.wanted, drain=drain, reason=reason,
        key=secrets.token_hex(16), token=token,
    )  # fmt: skip
    return (await fleet.request(node, ask, LayoutChanging, deadline_s=PLAN_DEADLINE_S)).change


async def settle_layout(
    fleet: Requests, node: str, gpu_uuid: str, *, back: bool, token: int | None = None
) -> GpuChange:
    """Go on with a stuck change, or back. Raises RequestFailed."""
    ask = SettleLayout(gpu=gpu_uuid, back=back, key=secrets.token_hex(16), token=token)
    return (await fleet.request(node, ask, LayoutChanging)).change


async def records(fleet: Requests, node: str) -> tuple[GpuRecord, ...]:
    """What the node remembers of its GPUs' layouts. Raises RequestFailed."""
    return (await fleet.request(node, ReadLayouts(), Layouts)).records


async def follow(fleet: Requests, node: str, gpu_uuid: str) -> AsyncIterator[GpuChange]:
    """Each phase of the change that is under way, its end last. Raises RequestFailed: it goes on without us."""
    before: GpuChange | None = None
    while before is None or not before.over:
        found = await records(fleet, node)
        now = next((record.change for record in found if record.gpu_uuid == gpu_uuid), None)
        if now is not None and now != before:
            before = now
            yield now
        if now is None or not now.over:
            await asyncio.sleep(LOOK_EVERY_S)
