"""Undo on one node: ask it what was, plan the way back. Applying is that of any plan (console.operations)."""

import msgspec

from agents.wire import ReadRevision, ReadRevisions, RevisionDocument, Revisions
from console.operations import Requests
from console.store import NodeView, Store
from profiles.observed.status import Reason
from profiles.plans.effects import with_effects
from profiles.plans.plan import Plan
from profiles.plans.room import with_room
from profiles.revisions.revision import Revision
from profiles.revisions.undo import choose, plan_undo


class Undo(msgspec.Struct, frozen=True):
    """What would be undone, newest first, and how. A plan with blockers says why it cannot be."""

    node: str
    plan: Plan
    undone: tuple[Revision, ...] = ()
    clock_skew_s: float = 0.0
    """The node's clock minus ours: subtract it from the times of `undone`."""

    @property
    def reason(self) -> str:
        """For the record of the node: `undo generation 6 (apply chat.yaml, ana)`."""
        numbers = ", ".join(str(head.generation) for head in self.undone)
        first = self.undone[0]
        return f"undo generation {numbers} ({first.reason or 'no reason given'}, {first.author or 'nobody'})"


async def revisions(fleet: Requests, node: str) -> tuple[Revision, ...]:
    """The changes that `node` keeps, oldest first. Raises RequestFailed, NodeUnreachable."""
    return (await fleet.request(node, ReadRevisions(), Revisions)).revisions


async def propose_undo(
    fleet: Requests, store: Store, node: str, *, to: int | None = None, only: int | None = None
) -> Undo:
    """The way back from the last change of `node`, from all since `to`, or from the one that made `only`.

    Raises RequestFailed, NodeUnreachable.
    """
    heads = await revisions(fleet, node)
    view = store.nodes[node]
    if heads and heads[-1].generation > view.desired.generation:
        return _blocked(view, Reason("stale", f"{node} is being changed just now", "look again, then undo"))
    choice = choose(heads, to, only)
    if isinstance(choice, Reason):
        return _blocked(view, choice)
    before = await fleet.request(node, ReadRevision(generation=choice.before), RevisionDocument)
    after = await fleet.request(node, ReadRevision(generation=choice.after), RevisionDocument)
    plan = plan_undo(node, view.desired, before.instances, after.instances,
                     before.profile_text, (before.cordons, after.cordons))  # fmt: skip
    status = view.observed()
    now, seen = {node: view.desired}, {node: status} if status else {}
    plan = with_effects(with_room(plan, now, seen), now, seen)
    return Undo(node, plan, choice.undone, view.clock_skew_s)


def _blocked(view: NodeView, reason: Reason) -> Undo:
    return Undo(view.name, Plan(title=f"undo on {view.name}", steps=(), nodes=(), blockers=(reason,)))
