"""What a person can do to the fleet. The command line and the screens call these and nothing else.

    propose… ──► Plan ──apply──► Applied per node ──wait_settled──► Settling … until ready or stopped

Every change is a plan first, and applying one is a compare-and-set per node: a node that moved on since the
plan was made refuses with `stale`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from agents.wire import MAX_PROFILE_TEXT_BYTES, AnswerT, AnyAsk, DesiredSet, LogPiece, ReadLog, SetDesired
from console.remote.errors import NodeUnreachable, RequestFailed
from console.store import UNREACHABLE_AFTER_S, NodeState, NodeView, Store
from profiles.model import Defaults, Desired, InstanceSpec, Profile, Service
from profiles.place import Placement, place
from profiles.plan import Action, Plan, Step, Verb, plan_profile, plan_verb
from profiles.shortfall import with_shortfall
from profiles.status import InstanceStatus, NodeStatus, Phase, Reason

EMPTY = "empty"
"""The code of an instance's reason once a drain is done."""

ADHOC = "adhoc"
"""The profile of instances that were started without a file."""

APPLY_DEADLINE_S = 10.0
_NO_TOKENS: Mapping[str, int] = {}
SETTLE_LIMIT_S = 900.0
LOOK_EVERY_S = 0.1
LOG_PIECE_BYTES = 64 * 1024
FOLLOW_WAIT_S = 10.0

_WAITED_FOR = {
    Action.START: Phase.READY,
    Action.REPLACE: Phase.READY,
    Action.STOP: Phase.STOPPED,
    Action.DRAIN: Phase.DRAINING,
    Action.PRUNE: Phase.STOPPED,
}


class Applied(msgspec.Struct, frozen=True):
    """The answer of one node; `reason` says why it did not take the edit."""

    node: str
    ok: bool
    reason: Reason | None = None
    unreachable: bool = False
    """No answer came, so whether it took the edit is unknown."""


class Settling(msgspec.Struct, frozen=True, kw_only=True):
    """How far one step of a plan is. `ok` None: not there yet. `status` None: the instance is gone."""

    step: Step
    status: InstanceStatus | None
    ok: bool | None
    reason: Reason | None = None


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
        plan = plan_verb(verb, reachable, self._desired())
        gone = sorted({node for node, _ in targets} - {node for node, _ in reachable})
        plan = replace(plan, blockers=plan.blockers + tuple(_unreachable(self._store.nodes[node]) for node in gone))
        return self._told(plan)

    def propose_profile(self, profile: Profile, text: str = "") -> Plan:
        """The plan that makes the nodes run exactly `profile`; what cannot be placed is a blocker.

        `text` is the file that it comes from; a node keeps it with the revision, unless it is too long.
        """
        placed = place(profile, self._statuses())
        plan = _with_blockers(plan_profile(profile.profile, placed.specs, self._desired()), placed)
        kept = text if len(text.encode()) <= MAX_PROFILE_TEXT_BYTES else ""
        return self._told(replace(plan, nodes=tuple(replace(edit, profile_text=kept) for edit in plan.nodes)))

    def propose_run(self, name: str, service: Service) -> Plan:
        """The plan that adds `service` as `name` to the instances that were started without a file."""
        profile = Profile(gpuyard=1, profile=ADHOC, services={name: service}, defaults=Defaults())
        placed = place(profile, self._statuses())
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
                    key=secrets.token_hex(16),
                    token=tokens.get(edit.node),
                ),
            )
            for edit in plan.nodes
        ]
        return tuple(await asyncio.gather(*(self._apply_one(node, body) for node, body in edits)))

    async def wait_settled(self, plan: Plan, limit_s: float = SETTLE_LIMIT_S) -> AsyncIterator[Settling]:
        """Each change of each step, until all are ready, stopped or failed; at the limit the rest is not ok."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        last: dict[tuple[str, str], Settling] = {}
        steps = [step for step in plan.steps if step.action is not Action.KEEP]
        while steps:
            over = loop.time() >= end
            for step in list(steps):
                now = self._settling(step)
                if over and now.ok is None:
                    text = f"{step.instance} is still {now.status.phase if now.status else 'unknown'}"
                    hint = f"see `gpuyard logs {step.instance}`"
                    now = replace(now, ok=False, reason=Reason("timeout", f"{text} after {limit_s:.0f} s", hint))
                if now.ok is not None:
                    steps.remove(step)
                if now != last.get((step.node, step.instance)):
                    last[step.node, step.instance] = now
                    yield now
            if steps:
                await asyncio.sleep(LOOK_EVERY_S)

    async def log(
        self, node: str, instance: str, *, previous: bool = False, tail_bytes: int = 65536, follow: bool = False
    ) -> AsyncIterator[LogPiece]:
        """The last `tail_bytes` of a log; with `follow` then what is added, until cancelled.

        Raises RequestFailed, or NodeUnreachable once the link is gone.
        """
        piece = await self._piece(node, ReadLog(instance=instance, limit_bytes=tail_bytes, previous=previous))
        yield piece
        end = piece.next_offset
        while follow or (piece.text and piece.next_offset - piece.offset >= tail_bytes):
            wait_s = FOLLOW_WAIT_S if follow else 0.0
            body = ReadLog(instance=instance, offset=end, limit_bytes=LOG_PIECE_BYTES, wait_s=wait_s, previous=previous)
            piece = await self._piece(node, body)
            end = piece.next_offset
            if piece.text or piece.skipped_bytes:
                yield piece

    async def _piece(self, node: str, body: ReadLog) -> LogPiece:
        return await self._fleet.request(node, body, LogPiece, deadline_s=body.wait_s + APPLY_DEADLINE_S, bulk=True)

    async def _apply_one(self, node: str, body: SetDesired) -> Applied:
        try:
            await self._fleet.request(node, body, DesiredSet, deadline_s=APPLY_DEADLINE_S)
        except RequestFailed as failed:
            return Applied(node, False, failed.reason, isinstance(failed, NodeUnreachable))
        return Applied(node, True)

    def _settling(self, step: Step) -> Settling:
        """Where `step` stands; what was so before the plan was applied does not count."""
        view = self._store.nodes[step.node]
        status = view.instances.get(step.instance)
        if view.state is NodeState.REFUSED or self._is_gone(view):
            return Settling(step=step, status=status, ok=False, reason=view.why)
        if status is None:
            return Settling(step=step, status=None, ok=True if step.action is Action.PRUNE else None)
        moved = status.since_unix_s != self._since_before(step) or status.phase != self._phase_before(step)
        if _is_done(step.action, status) and (moved or step.action is not Action.REPLACE):
            return Settling(step=step, status=status, ok=True)
        if status.phase is Phase.FAILED and moved:
            return Settling(step=step, status=status, ok=False, reason=status.reason)
        return Settling(step=step, status=status, ok=None, reason=status.reason)

    def _is_gone(self, view: NodeView) -> bool:
        """A link that broke is given the time of a few new attempts."""
        age_s = self._store.age_s(view)
        return view.state is NodeState.UNREACHABLE and (age_s is None or age_s >= UNREACHABLE_AFTER_S)

    def _since_before(self, step: Step) -> float | None:
        before = self._before.get((step.node, step.instance))
        return before.since_unix_s if before else None

    def _phase_before(self, step: Step) -> Phase | None:
        before = self._before.get((step.node, step.instance))
        return before.phase if before else None

    def _told(self, plan: Plan) -> Plan:
        return with_shortfall(plan, {name: status.isolation for name, status in self._statuses().items()})

    def _desired(self) -> dict[str, Desired]:
        return {name: view.desired for name, view in self._store.nodes.items() if view.counted}

    def _statuses(self) -> Mapping[str, NodeStatus]:
        return {
            name: replace(view.status, gpus=tuple(view.gpus.values()), instances=tuple(view.instances.values()))
            for name, view in self._store.nodes.items()
            if view.counted and view.status is not None
        }


def _is_done(action: Action, status: InstanceStatus) -> bool:
    if action is Action.DRAIN and (status.reason is None or status.reason.code != EMPTY):
        return False
    return action is Action.LIVE or status.phase is _WAITED_FOR[action]


def _with_blockers(plan: Plan, placed: Placement) -> Plan:
    blockers = tuple(Reason("unplaceable", f"{one.service}: {one.reason}", one.hint) for one in placed.unplaceable)
    return replace(plan, blockers=plan.blockers + blockers)


def _unreachable(view: NodeView) -> Reason:
    if view.why is None:
        return Reason("unreachable", f"{view.name} is {view.state}", "wait until it is up")
    return Reason("unreachable", f"{view.name}: {view.why.text}", view.why.hint)
