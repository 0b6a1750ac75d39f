"""What an apply asks of nodes for a wave: a plan of its own, on what they want now, and their answers."""

import asyncio
from collections.abc import Collection, Mapping

from msgspec.structs import replace

from console.operations import Applied, Operations
from console.rollout.journal import BUSY_S, TRIES
from console.store import NodeState, Store
from profiles.applyjournal import ApplyJournal
from profiles.difference import step_between
from profiles.model import Desired, DesiredInstance
from profiles.plan import Action, NodePlan, Plan, Step
from profiles.waves import Wave, document_after

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
        edits = {
            edit.node: edit
            for edit in plan.nodes
            if edit.applies or edit.node in self._unsure or edit.instances != self.desired(edit.node).instances
        }
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
                    self._known[one.node] = Desired(generation=one.generation, instances=edit.instances)
            self._unsure |= {one.node for one in answers if one.reason and one.reason.code == "unavailable"}
            lost = {one.node: before[one.node] for one in answers if one.unreachable}
            busy = any(one.reason and one.reason.code == "busy" for one in answers)
            if not (lost or busy) or not await until_back(self._store, lost):
                break
            for node in lost:  # it may have taken it before it was cut off
                if self.desired(node).instances == edits[node].instances:
                    edits.pop(node)
                    answers = tuple(one for one in answers if one.node != node)
            await asyncio.sleep(BUSY_S)
        return tuple(one for one in answers if not one.ok)

    def plan(self, wave: Wave, wanted: Mapping[str, Mapping[str, DesiredInstance]]) -> Plan:
        """What the wave asks of its nodes, as a plan of its own."""
        edits, steps = [], []
        for node in wave.nodes:
            now = self.desired(node)
            instances = document_after(now.instances, node, wave, wanted[node])
            edits.append(NodePlan(node=node, expected_generation=now.generation, instances=instances))
            before = self._journal.edits[node].before
            for move in (one for one in wave.moves if one.node == node):
                old, new = now.instances.get(move.instance), instances.get(move.instance)
                if old == new:  # asked for already, by who was here before
                    old = before.get(move.instance)
                steps.append(_step(node, move.instance, old, new))
        return Plan(title=self._journal.title, steps=tuple(steps), nodes=tuple(edits))

    def record(self) -> Plan:
        """The revision stands on all nodes of the apply; nothing else changes."""
        journal, edits = self._journal, []
        for node in journal.nodes:
            now = self.desired(node)
            edits.append(NodePlan(node=node, expected_generation=now.generation, instances=dict(now.instances),
                                  profile_text=journal.profile_text, applies=journal.applies))  # fmt: skip
        return Plan(title=journal.title, steps=(), nodes=tuple(edits))

    async def write_again(self) -> tuple[Applied, ...]:
        """What nodes want now, on the disks that refused something else; those that still refuse."""
        now = {node: self.desired(node) for node in sorted(self._unsure)}
        edits = [NodePlan(node=node, expected_generation=one.generation, instances=dict(one.instances))
                 for node, one in now.items()]  # fmt: skip
        return await self.ask(Plan(title=self._journal.title, steps=(), nodes=tuple(edits)))

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
