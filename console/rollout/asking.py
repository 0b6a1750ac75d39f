"""What an apply asks of nodes for a wave: a plan of its own, on what they want now, and their answers."""

import asyncio
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from console.operations import Applied, Operations
from console.rollout.journal import BUSY_S, TRIES
from console.store import NodeState, Store
from profiles.desired.model import Desired, DesiredInstance
from profiles.desired.standing import Standing
from profiles.plans.difference import step_between
from profiles.plans.plan import Action, NodePlan, Plan, Step
from profiles.plans.waves import Documents, Wave, document_after
from profiles.revisions.applyjournal import ApplyJournal
from profiles.revisions.numbering import numbered

BACK_S = 15.0
"""That an agent which was started anew, or a link that broke, is waited for."""
CATCH_UP_S = 5.0
"""Until the news of somebody else's edit is here."""
LOOK_EVERY_S = 0.05


class Asking:
    """Knows what was asked for last, until the nodes say the same."""

    def __init__(self, store: Store, operations: Operations, journal: ApplyJournal, tokens: Mapping[str, int]) -> None:
        self._store, self._operations, self._journal, self._tokens = store, operations, journal, tokens
        self._known: dict[str, Desired] = {}
        self._unsure: set[str] = set()
        """Nodes whose disk refused: it may have what they said no to, for the agent that comes next."""

    async def ask(self, plan: Plan) -> tuple[Applied, ...]:
        """The nodes that did not take their part; those that want it already are not asked again."""
        edits = {edit.node: edit for edit in plan.nodes if edit.node in self._unsure or not self._is_there(edit)}
        answers: tuple[Applied, ...] = ()
        for _ in range(TRIES):
            if not edits:
                break
            steps = tuple(step for step in plan.steps if step.node in edits)
            part = replace(plan, steps=steps, nodes=tuple(edits.values()))
            before = {node: self._store.nodes[node].snapshots for node in edits}
            answers = await self._operations.apply(part, self._journal.reason, self._tokens)
            for one in answers:
                if one.generation is not None:
                    edit = edits.pop(one.node)
                    self._unsure.discard(one.node)
                    self._know(edit, one.generation)
            self._unsure |= {one.node for one in answers if one.reason and one.reason.code == "unavailable"}
            lost = {one.node: before[one.node] for one in answers if one.unreachable}
            busy = any(one.reason and one.reason.code == "busy" for one in answers)
            if not (lost or busy) or not await until_back(self._store, lost):
                break
            for node in lost:  # it may have taken it before it was cut off
                if self._is_there(edits[node]):
                    edits.pop(node)
                    answers = tuple(one for one in answers if one.node != node)
            await asyncio.sleep(BUSY_S)
        return tuple(one for one in answers if not one.ok)

    def plan(self, wave: Wave, wanted: Documents, applies: Standing | None) -> Plan:
        """What the wave asks of its nodes, as a plan of its own."""
        edits, steps = [], []
        for node in wave.nodes:
            now = self.desired(node)
            instances = document_after(now.instances, node, wave, wanted[node])
            edits.append(self._edit(node, instances, applies))
            before = self._journal.edits[node].before
            for move in (one for one in wave.moves if one.node == node):
                old, new = now.instances.get(move.instance), instances.get(move.instance)
                if old == new:  # asked for already, by who was here before
                    old = before.get(move.instance)
                steps.append(_step(node, move.instance, old, new))
        return Plan(title=self._journal.title, steps=tuple(steps), nodes=tuple(edits))

    def record(self, nodes: Iterable[str], applies: Standing | None) -> Plan:
        """The revision stands on all of them: on those as well where no wave changed anything."""
        edits = [self._edit(node, dict(self.desired(node).instances), applies) for node in nodes]
        return Plan(title=self._journal.title, steps=(), nodes=tuple(edits))

    def numbered_back(self, target: Mapping[str, dict[str, DesiredInstance]]) -> tuple[Documents, Standing | None]:
        """`target` as a revision of its own, as every way back is one; None where nothing has to be changed."""
        journal, now = self._journal, {node: self.desired(node) for node in target}
        differ = {node: instances for node, instances in target.items() if instances != now[node].instances}
        steps = tuple(Step(action=Action.LIVE, node=node, instance="") for node in differ)
        edits = tuple(self._edit(node, instances, None) for node, instances in differ.items())
        plan = numbered(Plan(title=journal.title, steps=steps, nodes=edits), journal.profile, now)
        found = {node: dict(document.instances) for node, document in now.items()}
        found.update({edit.node: edit.instances for edit in plan.nodes})
        applies, failed = next((edit.applies for edit in plan.nodes), None), journal.applies
        return found, applies and replace(applies, takes_back=failed.number if failed else 0)

    def _edit(self, node: str, instances: dict[str, DesiredInstance], applies: Standing | None) -> NodePlan:
        text = self._journal.profile_text if applies == self._journal.applies else ""
        return NodePlan(node=node, expected_generation=self.desired(node).generation, instances=instances,
                        profile_text=text, applies=applies)  # fmt: skip

    def _is_there(self, edit: NodePlan) -> bool:
        now = self.desired(edit.node)
        stands = edit.applies is None or (
            (here := now.standing.get(edit.applies.profile)) is not None and here.same(edit.applies)
        )
        return stands and edit.instances == now.instances

    def _know(self, edit: NodePlan, generation: int) -> None:
        before = self.desired(edit.node)
        standing = before.standing | ({edit.applies.profile: edit.applies} if edit.applies else {})
        new = replace(before, generation=generation, instances=edit.instances, standing=standing)
        self._known[edit.node] = new

    def rewrite(self) -> Plan:
        """What nodes want now, on the disks that refused something else."""
        return self.record(sorted(self._unsure), None)

    def desired(self, node: str) -> Desired:
        """What the node wants, as far as we know: its word may be a second old."""
        seen, known = self._store.nodes[node].desired, self._known.get(node)
        return known if known and known.generation > seen.generation else seen

    async def until_up(self, nodes: Collection[str]) -> None:
        """Links that broke are given the time to come back."""
        lost = {node: self._store.nodes[node].snapshots for node in nodes if not self._store.nodes[node].counted}
        await until_back(self._store, lost)

    async def catch_up(self, node: str) -> None:
        """Where it has moved on without us, wait for the news of it."""
        view, before = self._store.nodes[node], self.desired(node).generation
        for _ in range(round(CATCH_UP_S / LOOK_EVERY_S)):
            if view.desired.generation > before:
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def until_back(store: Store, lost: Mapping[str, int]) -> bool:
    """Whether all of these nodes answer again, each with more snapshots than so many."""
    for _ in range(round(BACK_S / LOOK_EVERY_S)):
        views = {node: store.nodes[node] for node in lost}
        if all(view.state is NodeState.UP and view.snapshots > lost[node] for node, view in views.items()):
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False


def _step(node: str, name: str, old: DesiredInstance | None, new: DesiredInstance | None) -> Step:
    if new is None:
        return Step(action=Action.PRUNE, node=node, instance=name)
    return step_between(node, old.spec if old else None, new.spec)
