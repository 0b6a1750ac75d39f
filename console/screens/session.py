"""What every screen works on: the store, and the two doors through which it asks for something."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agents.wire import AnswerT, AnyAsk, LogPiece
from console.alerting import Alerting
from console.contexts import Context
from console.inventory import Inventory
from console.keys.keymap import Keymap
from console.logs import Interrupted
from console.render.bill import spent_now
from console.render.fit import Line
from console.render.table import Tone
from console.store import NodeState, Store
from profiles.desired.model import Profile
from profiles.observed.status import GpuSourceKind, Reason, Role
from profiles.plans.cordon_plan import Place
from profiles.plans.plan import Plan
from profiles.plans.verb_plan import Verb


class AppliedNode(Protocol):
    """The answer of one node to an edit."""

    @property
    def node(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def reason(self) -> Reason | None: ...


class OperationsDoor(Protocol):
    """The part of console.operations.Operations that screens use."""

    def propose(self, verb: Verb, targets: Sequence[tuple[str, str]]) -> Plan: ...
    def propose_profile(self, profile: Profile, text: str = "") -> Plan: ...
    def propose_down(self, profile: str, targets: Collection[tuple[str, str]]) -> Plan: ...
    def propose_cordon(self, places: Sequence[Place], *, lift: bool = False, reason: str = "") -> Plan: ...
    async def apply(self, plan: Plan, reason: str) -> Sequence[AppliedNode]: ...
    def log(
        self, node: str, instance: str, *, previous: bool = False, tail_bytes: int = 65536, follow: bool = False
    ) -> AsyncIterator[LogPiece | Interrupted]: ...


class UnknownKeyShown(Protocol):
    """A host key that nobody has confirmed yet."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


class RotationShown(Protocol):
    """New keys that a known host has proved, and those that it drops."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def added(self) -> Sequence[UnknownKeyShown]: ...
    @property
    def removed(self) -> Sequence[UnknownKeyShown]: ...


class ReplayShown(Protocol):
    """That all this was, and is not now."""

    @property
    def badge(self) -> str: ...


class FleetDoor(Protocol):
    """The part of console.remote.fleet.Fleet that screens use."""

    async def run(self) -> None: ...
    async def request(
        self, node: str, ask: AnyAsk, answer: type[AnswerT], *, deadline_s: float = 10.0, bulk: bool = False
    ) -> AnswerT: ...
    def retry(self, node: str) -> None: ...
    def unknown_key(self, node: str) -> UnknownKeyShown | None: ...
    def trust(self, node: str) -> None: ...
    def rotation(self, node: str) -> RotationShown | None: ...
    def record(self, node: str) -> None: ...


@dataclass
class Session:
    """`operations` and `fleet` are None until the fleet has been started, after the first paint."""

    name: str
    """The site, or "" where there are several."""
    store: Store
    read_only: bool = False
    operations: OperationsDoor | None = None
    fleet: FleetDoor | None = None
    alerting: Alerting | None = None
    """None until the fleet is reached, and where the rules cannot be read."""
    inventory: Inventory | None = None
    inventory_path: Path | None = None
    """The file that it was read from: profiles are beside it. None for the usual place."""

    keymap: Keymap = field(default_factory=dict)
    """Bindings that have other keys than they ship with."""

    context: Context | None = None
    """None for an inventory that was given itself."""

    replay: ReplayShown | None = None
    """What fills the store in place of nodes."""

    @property
    def why_read_only(self) -> str:
        """Why nothing is changed on any node; "" where something may be."""
        if self.replay:
            return "this is a replay of a capsule: what was cannot be changed"
        if self.read_only:
            return "this console was started with --read-only"
        if self.context and self.context.read_only:
            return f"the context {self.context.name} is read-only"
        return ""

    def why_not(self, node: str) -> str:
        """Why nothing may be changed on `node`; "" when it may."""
        view = self.store.nodes.get(node)
        if self.why_read_only:
            return self.why_read_only
        if self.operations is None or view is None:
            return "the fleet is still being reached: try again in a moment"
        if view.state is not NodeState.UP:
            return f"{node} is {view.state}: nothing can be asked of it until it is back"
        if view.role.rank < Role.OPERATOR.rank:
            return f"your role on {node} is {view.role}: an operator may start and stop"
        return ""

    def head(self) -> Line:
        """The top line: where, as whom, how much of it is there, and when."""
        views = list(self.store.nodes.values())
        count = {state: sum(view.state is state for view in views) for state in NodeState}
        roles = sorted({view.role for view in views if view.status}, key=lambda role: role.rank)
        role = "READ-ONLY" if self.why_read_only else str(roles[0]).upper() if roles else ""
        spans = [
            (" gpuyard", Tone.KEY),
            (f"   {self.context.name}" if self.context else "", Tone.KEY),
            (f"   {self.name}" if self.name else "", Tone.PLAIN),
            (f"   {role}" if role else "", Tone.DIM),
        ]
        if self.replay:
            spans.append((f"   {self.replay.badge}", Tone.WARN))
        if any(view.status and view.status.gpu_source.kind is GpuSourceKind.SIMULATED for view in views):
            spans.append(("   SIMULATED", Tone.WARN))
        spans.append((f"   nodes {count[NodeState.UP]}/{len(views)} up", Tone.PLAIN))
        if count[NodeState.CONNECTING]:
            spans.append((f"  {count[NodeState.CONNECTING]} connecting", Tone.DIM))
        if count[NodeState.STALE]:
            spans.append((f"  ~{count[NodeState.STALE]} stale", Tone.WARN))
        for state, word in ((NodeState.UNREACHABLE, "lost"), (NodeState.REFUSED, "refused")):
            if count[state]:
                spans.append((f"  ×{count[state]} {word}", Tone.BAD))
        counted = sum(len(view.gpus) for view in views if view.counted)
        total = sum(len(view.gpus) for view in views)
        spans.append((f"   GPUs {counted:,}" if counted == total else f"   GPUs {counted:,}/{total:,}", Tone.PLAIN))
        return (*spans, *spent_now(self.store))

    def clock(self) -> str:
        return time.strftime("%H:%M:%S", time.localtime(self.store.wall()))
