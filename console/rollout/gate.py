"""Between two waves: what was started has to stay ready for a while, without a restart."""

import asyncio
from collections.abc import AsyncIterator

from console import settling
from console.settling import Settling
from console.store import Store
from profiles.observed.status import Reason
from profiles.plans.plan import Action, Plan

STARTS = (Action.START, Action.REPLACE)


async def soak(store: Store, plan: Plan, seconds: float) -> AsyncIterator[Settling]:
    """Tells of what did not stay ready, and ends at once; tells nothing where all did."""
    steps = [step for step in plan.steps if step.action in STARTS]
    edits = {edit.node: edit for edit in plan.nodes}
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    since = [_since(store, step.node, step.instance) for step in steps]
    while steps and loop.time() < end:
        for step, before in zip(steps, since, strict=True):
            now = settling.look(store, edits[step.node], step, None)
            if now.ok is False:
                yield now
                return
            if now.ok is None or _since(store, step.node, step.instance) != before:
                phase = now.status.phase if now.status else "gone"
                why = f" ({now.status.reason.text})" if now.status and now.status.reason else ""
                reason = Reason("not_ready", f"{step.instance} did not stay ready: it is {phase}{why}",
                                f"see `gpuyard logs {step.instance} --previous`")  # fmt: skip
                yield Settling(step=step, status=now.status, ok=False, reason=reason)
                return
        await asyncio.sleep(settling.LOOK_EVERY_S)


def _since(store: Store, node: str, instance: str) -> tuple[float, int] | None:
    status = store.nodes[node].instances.get(instance)
    return (status.since_unix_s, status.restarts) if status else None
