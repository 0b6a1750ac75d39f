"""What a person can do to the fleet. The command line and the screens call these and nothing else.

    propose… ──► Plan ──apply──► Applied per node ──wait_settled──► Settling … until ready or stopped

Every change is a plan first, and applying one is a compare-and-set per node: a node that moved on since the
plan was made refuses with `stale`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
from msgspec.structs import replace

from agents.wire import MAX_PROFILE_TEXT_BYTES, AnswerT, AnyAsk, DesiredSet, LogPiece, ReadLog, SetDesired
from console import logs, settling
from console.logs import Interrupted
from console.remote.errors import NodeUnreachable, RequestFailed
from console.seen import desired, labels, statuses, told, unreachable, unseen
from console.settling import Settling
from console.store import Store
from profiles.desired.lease import expired
from profiles.desired.model import Defaults, Desired, InstanceSpec, Profile, Service
from profiles.observed.status import InstanceStatus, NodeStatus, Phase, Reason
from profiles.placing.place import Placement, place
from profiles.plans.cordon_plan import Place, plan_cordon
from profiles.plans.down_plan import plan_down, plan_expired
from profiles.plans.plan import Plan
from profiles.plans.preempt import place_preempting, with_preemptions
from profiles.plans.profile_plan import plan_profile
from profiles.plans.renewal import with_renewals
from profiles.plans.verb_plan import Verb, plan_verb
from profiles.revisions.numbering import numbered

ADHOC = "adhoc"
"""The profile of instances that were started without a file."""

APPLY_DEADLINE_S = 10.0
_NO_TOKENS: Mapping[str, int] = {}


class Applied(msgspec.Struct, frozen=True):
    """The answer of one node; `reason` says why it did not take the edit."""

    node: str
    ok: bool
    reason: Reason | None = None
    unreachable: bool = False
    """No answer came, so whether it took the edit is unknown."""
    generation: int | None = None
    """The one that it made."""


class Requests(Protocol):
    """The part of console.remote.fleet.Fleet that is needed here."""

    async def request(
        self, node: str, ask: AnyAsk, answer: type[AnswerT], *, deadline_s: float = 10.0, bulk: bool = False
    ) -> AnswerT: ...


class Operations:
    """Plans on what the store knows; applies through the fleet."""

    def __init__(self, fleet: Requests, store: Store) -> None:
        self._fleet = fleet
        self._store = store
        self._before: dict[tuple[str, str], InstanceStatus | None] = {}
        """What each instance was when its last plan was applied."""

    def propose(self, verb: Verb, targets: Sequence[tuple[str, str]]) -> Plan:
        """The plan of `verb` on (node, instance) pairs; a node that is not there is a blocker."""
        reachable = [target for target in targets if self._store.nodes[target[0]].counted]
        failed = [target for target in reachable if self._phase(target) is Phase.FAILED]
        plan = plan_verb(verb, reachable, self._desired(), failed)
        gone = sorted({node for node, _ in targets} - {node for node, _ in reachable})
        plan = replace(plan, blockers=plan.blockers + tuple(unreachable(self._store.nodes[node]) for node in gone))
        return self._told(plan)

    def _phase(self, target: tuple[str, str]) -> Phase | None:
        status = self._store.nodes[target[0]].instances.get(target[1])
        return status.phase if status else None

    def propose_profile(self, profile: Profile, text: str = "") -> Plan:
        """The plan that makes the nodes run exactly `profile`; what cannot be placed is a blocker.

        `text` is the file that it comes from; a node keeps it with the revision, unless it is too long.
        """
        desired, statuses = self._desired(), self._statuses()
        clocks = {name: status.at_unix_s for name, status in statuses.items()}
        found = place_preempting(profile, statuses, desired, self._labels())
        placed = found.placed
        unplaced = [one.service for one in placed.unplaceable]
        plan = plan_profile(profile.profile, placed.specs, desired, profile.owner, unplaced=unplaced)
        plan = _with_blockers(plan, placed)
        plan = with_preemptions(plan, found, profile.profile, desired)
        plan = with_renewals(plan, profile.profile, placed.specs, desired, clocks)
        plan = numbered(plan, profile.profile, desired)
        plan = replace(plan, blockers=plan.blockers + unseen(self._store, profile.profile))
        kept = text if len(text.encode()) <= MAX_PROFILE_TEXT_BYTES else ""
        nodes = tuple(replace(edit, profile_text=kept) for edit in plan.nodes)
        return self._told(replace(plan, nodes=nodes, rollout=profile.rollout.rule()))

    def propose_run(self, name: str, service: Service) -> Plan:
        """The plan that adds `service` as `name` to the instances that were started without a file."""
        profile = Profile(gpuyard=1, profile=ADHOC, services={name: service}, defaults=Defaults())
        placed = place(profile, self._statuses(), self._desired(), self._labels(), prunes=False)
        wanted: dict[str, list[InstanceSpec]] = {node: list(specs) for node, specs in placed.specs.items()}
        for node, document in self._desired().items():
            others = [
                owned.spec
                for owned in document.instances.values()
                if owned.profile == ADHOC and owned.spec.service != name
            ]
            if others:
                wanted.setdefault(node, []).extend(others)
        return self._told(_with_blockers(plan_profile(ADHOC, wanted, self._desired()), placed))

    def propose_cordon(self, places: Sequence[Place], *, lift: bool = False, reason: str = "") -> Plan:
        """The plan that cordons `places`, or with `lift` takes that back."""
        gone = {place.node for place in places if not self._store.nodes[place.node].counted}
        plan = plan_cordon([one for one in places if one.node not in gone], self._desired(), lift=lift, reason=reason)
        return replace(plan, blockers=tuple(unreachable(self._store.nodes[node]) for node in sorted(gone)))

    def propose_down(self, profile: str, targets: Collection[tuple[str, str]]) -> Plan:
        """The plan that takes `targets`, (node, instance) pairs, off their nodes and keeps the rest of `profile`."""
        desired = self._desired()
        plan = plan_down(profile, targets, desired)
        left = any(owned.profile == profile for edit in plan.nodes for owned in edit.instances.values())
        return self._told(plan if left else numbered(plan, profile, desired, plan.title))

    def propose_expired(self, profiles: Collection[str] = ()) -> Plan:
        """The plan that takes what has no lease any more off its nodes, of `profiles` or of all."""
        over = expired(self._desired(), {name: status.at_unix_s for name, status in self._statuses().items()})
        wanted = {name: targets for name, targets in over.items() if not profiles or name in profiles}
        return self._told(plan_expired(wanted, self._desired()))

    async def apply(self, plan: Plan, reason: str, tokens: Mapping[str, int] = _NO_TOKENS) -> tuple[Applied, ...]:
        """Ask every node of `plan` at once. A plan with blockers raises ValueError.

        `tokens` are those of the leases that are held (console.holding).
        """
        if plan.blockers:
            raise ValueError(f"a plan with blockers is not applied: {plan.blockers[0].text}")
        for step in plan.steps:
            view = self._store.nodes[step.node]
            self._before[step.node, step.instance] = view.instances.get(step.instance)
        edits = [
            (
                edit.node,
                SetDesired(
                    expected_generation=edit.expected_generation,
                    instances=edit.instances,
                    author="",
                    reason=reason,
                    profile_text=edit.profile_text,
                    cordons=edit.cordons,
                    applies=edit.applies,
                    key=secrets.token_hex(16),
                    token=tokens.get(edit.node),
                ),
            )
            for edit in plan.nodes
        ]
        return tuple(await asyncio.gather(*(self._apply_one(node, body) for node, body in edits)))

    def wait_settled(self, plan: Plan, limit_s: float = settling.LIMIT_S) -> AsyncIterator[Settling]:
        """Each change of each step, until all are ready, stopped, failed or wanted otherwise."""
        return settling.settle(self._store, plan, self._before, limit_s)

    def log(
        self, node: str, instance: str, *, previous: bool = False, tail_bytes: int = 65536, follow: bool = False
    ) -> AsyncIterator[LogPiece | Interrupted]:
        """The last `tail_bytes` of a log; with `follow` then what is added, until cancelled. Raises RequestFailed."""
        read = logs.follow if follow else logs.tail
        return read(partial(self._piece, node), instance, tail_bytes, previous=previous)

    async def _piece(self, node: str, body: ReadLog) -> LogPiece:
        return await self._fleet.request(node, body, LogPiece, deadline_s=body.wait_s + APPLY_DEADLINE_S, bulk=True)

    async def _apply_one(self, node: str, body: SetDesired) -> Applied:
        try:
            done = await self._fleet.request(node, body, DesiredSet, deadline_s=APPLY_DEADLINE_S)
        except RequestFailed as failed:
            return Applied(node, False, failed.reason, isinstance(failed, NodeUnreachable))
        return Applied(node, True, generation=done.generation)

    def _told(self, plan: Plan) -> Plan:
        return told(plan, self._store)

    def _desired(self) -> dict[str, Desired]:
        return desired(self._store)

    def _labels(self) -> dict[str, dict[str, str]]:
        return labels(self._store)

    def _statuses(self) -> dict[str, NodeStatus]:
        return statuses(self._store)


def _with_blockers(plan: Plan, placed: Placement) -> Plan:
    blockers = tuple(Reason("unplaceable", f"{one.service}: {one.reason}", one.hint) for one in placed.unplaceable)
    return replace(plan, blockers=plan.blockers + blockers)
