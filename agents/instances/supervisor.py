"""All instances of the node: the desired document in, one keeper an instance, the board and events out.

    set_desired ──► desired.json ──► reconcile ──► Keeper (one task an instance) ──► Board, EventLog
    instances/* ──► found at the start ──┘

Ending `run` ends no engine; the next supervisor finds them all again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from agents import state
from agents.board import Board
from agents.events import EventLog
from agents.failpoints import reach
from agents.fractions.fractions import Fractions
from agents.fractions.holds import Holds
from agents.gateways.doors import Doors
from agents.instances import edits, numbers
from agents.instances.admission import Admission
from agents.instances.claims import Claims
from agents.instances.context import Context
from agents.instances.desired import DesiredDocument
from agents.instances.dialogue import Dialogue
from agents.instances.fronts import Fronts
from agents.instances.keeper import Keeper
from agents.instances.liveness import Pace
from agents.instances.loads import LoadMemory
from agents.instances.measurements import Measurements
from agents.instances.restart import RestartPolicy
from agents.instances.restoring import restore
from agents.instances.runner import Started
from agents.instances.secrets import Secrets
from agents.instances.tenancy import Tenancy
from agents.layout import Layout
from agents.past.revisions import Revisions
from agents.past.tags import Tags
from agents.processes.internal import internal_log
from agents.processes.isolation.plain import Plain
from agents.processes.isolation.tier import Tier
from agents.processes.logspace import Written
from agents.redaction import Redactor
from agents.runtimes.runtimes import Runtimes
from agents.wire import SetDesired
from engines.base import Engine, EngineSample
from profiles.desired.model import Desired, DesiredInstance
from profiles.latency.burn import Misses
from profiles.latency.canary import CanaryReading
from profiles.observed.status import SERVES, EngineReading, EventKind, Phase
from profiles.revisions.revision import changed, what_changed

TAKES = frozenset({Phase.READY, Phase.DEGRADED, Phase.STALLED})
"""Phases in which an engine is asked by those who need it."""

FALLEN_S = 5.0
"""Before an instance whose keeper fell is looked at anew."""

logger = logging.getLogger(__name__)


class Scraped(msgspec.Struct, frozen=True):
    """A ready engine, and how to ask for its sample. `incarnation` changes when counters begin anew."""

    name: str
    incarnation: int
    engine: Engine
    sample: Callable[[], Awaitable[EngineSample | None]]


class Supervisor:
    """Reads the desired document of `layout`. Raises BadState for one that a newer version wrote."""

    def __init__(
        self,
        layout: Layout,
        board: Board,
        events: EventLog,
        *,
        simulated: Path | None = None,
        tier: Tier | None = None,
        claims: Claims | None = None,
        fractions: Fractions | None = None,
        holds: Holds | None = None,
        runtimes: Runtimes | None = None,
        doors: Doors | None = None,
        policy: RestartPolicy | None = None,
        pace: Pace | None = None,
        grace_s: float = 45.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._layout = layout
        self._board = board
        self._events = events
        self._wall = wall
        self.measurements = Measurements(layout.measurements, events, wall)
        self._context = Context(
            layout=layout,
            board=board,
            events=events,
            loads=LoadMemory(layout.loads),
            measurements=self.measurements,
            admission=Admission(board, claims or Claims(layout.state, place=layout.state)),  # alone on its machine
            secrets=Secrets(layout.secrets),
            fractions=fractions or Fractions(),
            holds=holds or Holds(),
            runtimes=runtimes or Runtimes(layout.settings, layout.runtimes),
            doors=doors or Doors(),
            policy=policy or RestartPolicy(),
            pace=pace or Pace(),
            grace_s=grace_s,
            simulated=simulated,
            tier=tier or Plain(),
            wall=wall,
        )
        self._keepers: dict[str, Keeper] = {}
        self.tenants = Tenancy(self._keepers, layout.state)
        self.fronts = Fronts(self._keepers, layout, wall)
        self._tasks: asyncio.TaskGroup | None = None
        self._found = find(layout, events)
        self.revisions = Revisions(layout.revisions, Tags(layout.tags, events), events)
        started = {name: found.owned for name, found in self._found.items()}
        self.document = DesiredDocument(layout, events, started, self.revisions.last, wall)
        self._found = restored(layout, self._found, self.document.now)
        self._context.doors.awaited |= {name for name, one in self._found.items() if one.owned.spec.gateway}
        for name, found in self._found.items():
            self._context.admission.found(name, found.owned.spec.slices)
        self.revisions.record(self.document.now)
        board.set_desired(self.document.now)

    async def run(self) -> None:
        """Until cancelled; engines go on living. Adopts what lives, starts and stops the rest."""
        try:
            await self._context.fractions.resume()
            async with asyncio.TaskGroup() as self._tasks:
                wanted = self.document.now.instances
                for name in [*self._found, *sorted(wanted, key=lambda name: -wanted[name].spec.priority)]:
                    self._keep(name, wanted.get(name))
                await asyncio.Event().wait()
        finally:
            self._tasks = None
            self._keepers.clear()

    def set_desired(self, request: SetDesired, author: str) -> int:
        """The new generation, durable unless `document.unwritten`. Raises Refused, OSError."""
        old = self.document.now
        edits.check(request, old, self.revisions.since, self._context.runtimes.bind)
        if request.applies is not None:
            numbers.check(request.applies, old, self.revisions.heads())
        new = edits.taken(request, old, author, self._wall())
        reach("before-intent")
        self.document.replace(new)
        reach("after-intent")
        number = f" ({request.applies.profile} r{request.applies.number})" if request.applies else ""
        text = f"generation {new.generation}{number}: {request.reason or 'no reason given'}"
        text += f": {what_changed(old, new)}"
        self._board.set_desired(new)
        self.revisions.record(new, request.profile_text, request.applies)
        touches = tuple(one.instance for one in changed(old.instances, new.instances))
        code = "applied" if request.applies else "edited"
        self._events.append(EventKind.DESIRED, text, author=author, code=code, touches=touches)
        self._reconcile()
        return new.generation

    def log_path(self, instance: str, previous: bool) -> tuple[Path, int] | None:
        """The log file and incarnation of an instance; `previous` the one before. None where there is none."""
        keeper = self._keepers.get(instance)
        return keeper.runner.log_path(previous) if keeper else internal_log(self._layout, instance, previous)

    def redactor(self) -> Redactor:
        """What engines print goes through it before anybody reads it."""
        return self._context.secrets.redactor()

    def serving(self, name: str) -> Dialogue | None:
        """The way to an instance that serves."""
        keeper = self._keepers.get(name)
        return keeper.runner.dialogue if keeper and keeper.standing.phase in SERVES else None

    def scraped(self) -> list[Scraped]:
        """The engines that serve and have metrics."""
        found = []
        for name, keeper in self._keepers.items():
            started, dialogue = keeper.runner.started, keeper.runner.dialogue
            if keeper.standing.phase in SERVES and started and dialogue and dialogue.probe.metrics_path:
                found.append(Scraped(name, started.incarnation, dialogue.described.engine, dialogue.sample))
        return found

    def scraped_now(self, name: str, sample: EngineSample) -> None:
        """Evidence of an engine's progress; ignored for one that is no longer there."""
        if keeper := self._keepers.get(name):
            keeper.scraped(sample)

    def set_reading(self, name: str, reading: EngineReading) -> None:
        """Show what an engine does; ignored for one that is no longer there."""
        if keeper := self._keepers.get(name):
            keeper.standing.read(reading)

    def set_misses(self, misses: Mapping[str, dict[str, tuple[Misses, ...]]]) -> None:
        """What instances missed of their objectives; the others have none."""
        for name, keeper in self._keepers.items():
            keeper.standing.miss(misses.get(name, {}))

    def wants_canaries(self) -> dict[str, float]:
        """Instances that take requests now and want canaries → seconds between two; never one that drains."""
        return {
            name: every_s
            for name, keeper in self._keepers.items()
            if keeper.owned
            and (every_s := keeper.owned.spec.canary_every_s)
            and keeper.standing.phase in TAKES
            and not keeper.standing.rests
        }

    def set_canary(self, name: str, canary: CanaryReading | None) -> None:
        if keeper := self._keepers.get(name):
            keeper.standing.hear(canary)

    def roots(self) -> dict[int, str]:
        """Pids of living engines and their shims → instance: whoever descends from them is theirs."""
        living = [(name, keeper.runner.process) for name, keeper in self._keepers.items()]
        pairs = [(name, process.handle) for name, process in living if process]
        return {pid: name for name, handle in pairs for pid in (handle.pid, handle.shim_pid)}

    def written(self) -> list[Written]:
        """The logs of engines that live."""
        return [found for keeper in self._keepers.values() if (found := keeper.runner.written())]

    def living(self) -> dict[str, int]:
        """Instances that run → when their engine was started, in ticks; 0 for one that starts or is being found."""
        found = {}
        for name, keeper in self._keepers.items():
            if process := keeper.runner.process:
                found[name] = process.handle.start_ticks
            elif keeper.standing.phase is Phase.STARTING or not keeper.found:
                found[name] = 0
        return found

    def _reconcile(self) -> None:
        if self._tasks is None:
            return
        for name in dict.fromkeys([*self._keepers, *self.document.now.instances]):
            owned = self.document.now.instances.get(name)
            if keeper := self._keepers.get(name):
                if keeper.owned != owned:
                    keeper.want(owned)
            else:
                self._keep(name, owned)

    def _keep(self, name: str, owned: DesiredInstance | None) -> None:
        if name in self._keepers or self._tasks is None:
            return
        keeper = Keeper(self._context, name, owned, self._ports)
        self._keepers[name] = keeper
        self._tasks.create_task(self._attend(keeper))

    async def _attend(self, keeper: Keeper) -> None:
        try:
            await keeper.run()
        except Exception as error:
            logger.exception("the keeper of %s fell", keeper.name)
            text = f"a mistake of gpuyard-agent ({type(error).__name__}: {error}); its engine lives on, looked at anew"
            self._events.append(EventKind.AGENT, text, instance=keeper.name, code="internal")
            await asyncio.sleep(FALLEN_S)
        self._keepers.pop(keeper.name, None)
        self._reconcile()  # it may have been wanted again in its last moment

    def _ports(self, name: str) -> list[int]:
        others = (keeper.runner.started for other, keeper in self._keepers.items() if other != name)
        fixed = [owned.spec.port for other, owned in self.document.now.instances.items() if other != name]
        return [started.port for started in others if started] + [port for port in fixed if port is not None]


def find(layout: Layout, events: EventLog) -> dict[str, Started]:
    """Instances that have a directory, with what is left of a spec.json that cannot be read."""
    found = {}
    for directory in sorted(layout.instances.iterdir()):
        match state.load(directory / "spec.json", Started):
            case Started() as started:
                found[started.owned.spec.name] = started
            case state.Damaged(problem=problem, previous=previous):
                events.append(EventKind.AGENT, f"{directory.name}: {problem}", code="state_damaged")
                if previous is not None:
                    found[previous.owned.spec.name] = previous
    return found


def restored(layout: Layout, found: dict[str, Started], wanted: Desired) -> dict[str, Started]:
    """`found`, with every spec.json there again that can be made anew. Raises OSError."""
    owned = {name: started.owned for name, started in found.items()} | wanted.instances
    lost = [
        name for name in owned if layout.instance(name).directory.exists() and not layout.instance(name).spec.exists()
    ]
    again = {name: restore(layout.instance(name), owned[name], found.get(name)) for name in lost}
    return found | {name: started for name, started in again.items() if started}
