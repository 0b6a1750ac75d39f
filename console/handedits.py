"""What was changed by hand since profiles were applied: asked of the nodes that keep it, for a plan to show.

A node is asked for its documents from the newest back, until each instance in question was seen as it was applied.
"""

import asyncio
from collections.abc import Collection

from agents.wire import ReadRevision, ReadRevisions, RevisionDocument, Revisions
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import Store
from profiles.desired.model import InstanceSpec
from profiles.plans.plan import Plan
from profiles.plans.reverted import is_of, with_reverted

DEADLINE_S = 10.0


async def told(fleet: Requests, store: Store, plan: Plan) -> Plan:
    """`plan` with the hand edits marked that it takes back; those of a node that does not answer are not known."""
    asked: dict[str, set[str]] = {}
    for step in plan.steps:
        if step.changes:
            asked.setdefault(step.from_node or step.node, set()).add(step.instance)
    found = await asyncio.gather(*(_applied(fleet, store, node, names) for node, names in asked.items()))
    applied = {(node, name): spec for node, specs in zip(asked, found, strict=True) for name, spec in specs.items()}
    return with_reverted(plan, applied, {name: view.desired for name, view in store.nodes.items()})


async def _applied(fleet: Requests, store: Store, node: str, names: Collection[str]) -> dict[str, InstanceSpec]:
    """How each of the instances was when its revision was applied, as far as that is kept."""
    now = store.nodes[node].desired.instances
    left = {name for name in names if name in now}
    found: dict[str, InstanceSpec] = {}
    try:
        heads = (await fleet.request(node, ReadRevisions(), Revisions, deadline_s=DEADLINE_S)).revisions
        for head in reversed(heads):
            if not left:
                break
            ask = ReadRevision(generation=head.generation)
            document = (await fleet.request(node, ask, RevisionDocument, deadline_s=DEADLINE_S)).instances
            left = {name for name in left if is_of(document, now, name)}
            found.update({name: document[name].spec for name in left})
    except RequestFailed:
        return {}
    return found
