"""One apply, wave by wave, under the leases of its nodes.

    forward ─► wave: note it ─► ask its nodes ─► all ready ─► soak ─► the next … ─► done
                  └── failed ──► back (the same, towards what was before) ─► rolled back
                           └───► paused: the journals stay open, and forward or back go on from where it is

Whoever made the journal makes no difference: what is asked for follows from it and from what the nodes want now.
Gateways are not told from here: the node takes a replica out of them before it stops it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from console.operations import Applied, Operations, Requests
from console.rollout import journal as journals
from console.rollout.asking import Asking
from console.rollout.gate import STARTS, soak
from console.rollout.told import PAUSED_BY_HAND, Began, Failed, Outcome, Over, Soaking, Told
from console.settling import Settling
from console.store import Store
from profiles.desired.model import DesiredInstance
from profiles.desired.rollout import OnFailure
from profiles.observed.status import GpuReading, Phase, Reason
from profiles.plans.plan import Plan
from profiles.plans.waves import waves
from profiles.revisions.applyjournal import ApplyJournal, ApplyState, overtaken, taken_back


class Rolling:
    """`tokens` are those of the leases of the nodes that can be reached."""

    def __init__(
        self, fleet: Requests, store: Store, operations: Operations, journal: ApplyJournal, tokens: Mapping[str, int]
    ) -> None:
        self.journal = journal
        self._fleet, self._store, self._operations = fleet, store, operations
        self._tokens = tokens
        self._asking = Asking(store, operations, journal, tokens)
        self._paused = asyncio.Event()
        self._failure: Failed | None = None

    def pause(self) -> None:
        """Stop waiting: what was asked for goes on by itself."""
        self._paused.set()

    async def forward(self) -> AsyncIterator[Told]:
        """From the wave in hand to the end, or to what the profile wants on a failure."""
        self._begin()
        journal = self.journal
        self._failure = self._overtaken()
        for number in range(journal.wave, len(journal.waves)):
            if self._paused.is_set():
                self._failure = _BY_HAND
            if self._failure:
                break
            wave = journal.waves[number]
            plan = self._asking.plan(wave, {node: journal.edits[node].after for node in wave.nodes}, journal.applies)
            yield Began(number=number + 1, of=len(journal.waves), steps=plan.steps)
            self.journal = replace(self.journal, wave=number)
            async for told in self._wave(plan, ApplyState.ROLLING, number, journal.rollout.soak_s):
                yield told
        if self._failure is None and journal.applies:
            self._refused(await self._asking.ask(self._asking.record(journal.nodes, journal.applies)))
        if self._failure is None:
            yield await self._close(ApplyState.DONE, Outcome.DONE, None)
            return
        if self._failure.reason is not PAUSED_BY_HAND:
            yield self._failure
        if self._failure.reason.code in _NOT_OURS or journal.rollout.on_failure is OnFailure.PAUSE:
            yield await self._hold(ApplyState.PAUSED, self._failure.reason)
            return
        if self._failure.reason.code == "stale":
            await self._asking.catch_up(self._failure.node)
        async for told in self.back(self._failure.reason):
            yield told

    async def back(self, why: Reason | None = None) -> AsyncIterator[Told]:
        """To what was before it, on all nodes that can be reached; where one cannot, it is held open."""
        self._begin()
        await self._asking.until_up([node for node in self.journal.nodes if node in self._tokens])
        here = self._reached()
        now = {node: dict(self._asking.desired(node).instances) for node in here}
        found = {node: taken_back(now[node], self.journal.edits[node], self.journal.names(node)) for node in here}
        target, applies = self._asking.numbered_back({node: instances for node, (instances, _) in found.items()})
        order = waves(now, target, self._gpus(here), self.journal.rollout.max_parallel, self._unready(here))
        await journals.note(self._fleet, self.journal, here, self._tokens, ApplyState.ROLLING_BACK, why=why)
        for number, wave in enumerate(order):
            plan = self._asking.plan(wave, target, applies)
            yield Began(number=number + 1, of=len(order), steps=plan.steps, back=True)
            async for told in self._wave(plan, ApplyState.ROLLING_BACK, None, 0.0):
                yield told
            if self._failure:
                break
        else:
            rest = self._asking.record(here, applies) if applies else self._asking.rewrite()
            self._refused(await self._asking.ask(rest))
        if self._failure is None and (gone := sorted(set(self.journal.nodes) - set(here))):
            self._failure = _out_of_reach(gone)
        if self._failure:
            if self._failure.reason is not PAUSED_BY_HAND:
                yield self._failure
            yield replace(await self._hold(ApplyState.ROLLING_BACK, self._failure.reason), back=True)
            return
        yield await self._close(ApplyState.ROLLED_BACK, Outcome.ROLLED_BACK, _left(found))

    async def _wave(self, plan: Plan, state: ApplyState, number: int | None, soak_s: float) -> AsyncIterator[Told]:
        """Sets `_failure` where it does not come to its end."""
        nodes = [edit.node for edit in plan.nodes]
        if number is not None:
            noted = await journals.note(self._fleet, self.journal, nodes, self._tokens, state, number)
            if self._refused(noted):
                return
        if self._refused(await self._asking.ask(plan)):
            return
        settling = self._operations.wait_settled(plan, self.journal.rollout.ready_deadline_s)
        async for told in self._until_it_fails(settling):
            yield told
        if self._failure is None and soak_s and any(step.action in STARTS for step in plan.steps):
            yield Soaking(steps=plan.steps, seconds=soak_s)
            async for told in self._until_it_fails(soak(self._store, plan, soak_s)):
                yield told

    async def _until_it_fails(self, told: AsyncIterator[Settling]) -> AsyncIterator[Settling]:
        """Or until somebody pauses."""
        paused = asyncio.ensure_future(self._paused.wait())
        try:
            while True:
                coming = asyncio.ensure_future(_next(told))
                await asyncio.wait({coming, paused}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    self._failure = _BY_HAND
                    return
                now = coming.result()
                if now is None:
                    return
                yield now
                if now.ok is False:
                    reason = now.reason or Reason("failed", "it failed, and nothing is known of why")
                    gone = not self._store.nodes[now.step.node].counted
                    self._failure = Failed(node=now.step.node, instance=now.step.instance, reason=reason,
                                           unreachable=gone)  # fmt: skip
                    return
        finally:
            paused.cancel()

    def _begin(self) -> None:
        self._paused.clear()
        self._failure = None

    def _refused(self, answers: Iterable[Applied]) -> bool:
        refused = next(iter(answers), None)
        if refused is not None:
            reason = refused.reason or Reason("internal", "refused")
            self._failure = Failed(node=refused.node, instance="", reason=reason, unreachable=refused.unreachable)
        return refused is not None

    def _overtaken(self) -> Failed | None:
        """Somebody wants something else of an instance that takes part."""
        for node in self.journal.nodes:
            for name in overtaken(self.journal, node, dict(self._asking.desired(node).instances)):
                who = self._store.nodes[node].desired.author or "somebody"
                text = f"{name} on {node} was changed since, last by {who}"
                return Failed(node=node, instance=name, reason=Reason("overtaken", text, "plan again, or roll back"))
        return None

    async def _hold(self, state: ApplyState, why: Reason) -> Over:
        """What does not hear of it shows the journal as left open all the same, once the lease is over."""
        await journals.note(self._fleet, self.journal, self._reached(), self._tokens, state, why=why)
        self.journal = replace(self.journal, state=state, why=why)
        return Over(outcome=Outcome.PAUSED, why=why)

    async def _close(self, state: ApplyState, outcome: Outcome, why: Reason | None) -> Over:
        refused = await journals.note(self._fleet, self.journal, self._reached(), self._tokens, state, why=why)
        if refused:  # somebody took the node over, and has given it back maybe: its journal is closed all the same
            nodes = [one.node for one in refused]
            refused = await journals.note(self._fleet, self.journal, nodes, {}, state, why=why)
        self.journal = replace(self.journal, state=state, why=why)
        return Over(outcome=outcome, why=why or (refused[0].reason if refused else None))

    def _reached(self) -> list[str]:
        return [node for node in self.journal.nodes if node in self._tokens and self._store.nodes[node].counted]

    def _gpus(self, nodes: Collection[str]) -> dict[str, tuple[GpuReading, ...]]:
        return {node: tuple(self._store.nodes[node].gpus.values()) for node in nodes}

    def _unready(self, nodes: Collection[str]) -> set[tuple[str, str]]:
        return {
            (node, name) for node in nodes for name, one in self._store.nodes[node].instances.items()
            if one.phase is not Phase.READY
        }  # fmt: skip


_BY_HAND = Failed(node="", instance="", reason=PAUSED_BY_HAND)
_NOT_OURS = (PAUSED_BY_HAND.code, "fenced", "leased", "denied", "overtaken", "superseded")
"""Failures after which nothing is taken back unasked."""


def _out_of_reach(nodes: Sequence[str]) -> Failed:
    text = f"{', '.join(nodes)} cannot be reached and is not rolled back"
    reason = Reason("unreachable", text, "once it is back, `gpuyard apply --resume` goes on")
    return Failed(node=nodes[0], instance="", reason=reason, unreachable=True)


def _left(found: Mapping[str, tuple[dict[str, DesiredInstance], tuple[str, ...]]]) -> Reason | None:
    left = [f"{name} on {node}" for node, (_, names) in found.items() for name in names]
    if not left:
        return None
    return Reason("overtaken", f"{', '.join(left)} was changed by somebody else since, and stays as it is")


async def _next(told: AsyncIterator[Settling]) -> Settling | None:
    return await anext(told, None)
