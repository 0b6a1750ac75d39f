"""Where an instance stands, told to the board and the events: every change of phase or reason goes through here."""

import msgspec

from agents.instances.context import Context
from agents.instances.instance import Life, move
from agents.instances.runner import Runner
from engines.base import LoadProgress
from profiles.desired.gateway import GatewayReading
from profiles.desired.model import DesiredInstance, Wanted
from profiles.latency.burn import Misses
from profiles.latency.canary import CanaryReading
from profiles.observed.status import SERVES, EngineReading, EventKind, InstanceStatus, Phase, Reason

LOADS = (Phase.PENDING, Phase.STARTING, Phase.LOADING)


class Standing:
    """`owned` is as it is wanted; shown is as it runs where it runs, else as it is wanted."""

    def __init__(self, context: Context, runner: Runner, name: str, owned: DesiredInstance | None) -> None:
        self.owned = owned
        self.life = Life(phase=Phase.PENDING, since_unix_s=context.wall(), reason=Reason("new", "not looked at yet"))
        self.reading: EngineReading | None = None
        self.canary: CanaryReading | None = None
        self.misses: dict[str, tuple[Misses, ...]] = {}
        self.gateway: GatewayReading | None = None
        self.load_s: float | None = None
        self._context = context
        self._runner = runner
        self._name = name

    @property
    def phase(self) -> Phase:
        return self.life.phase

    @property
    def rests(self) -> bool:
        """Whether it sleeps, may, or is about to: requests would wait until it is woken."""
        started = self._runner.started
        return bool(started and started.asleep is not False) or bool(
            self.owned and self.owned.spec.wanted is Wanted.SLEEPING
        )

    def move(self, phase: Phase, reason: Reason) -> None:
        """Another phase, which is an event, or another reason for the same. Raises WrongTransition."""
        before = self.life
        self.life = move(before, phase, reason, self._context.wall())
        if phase not in LOADS:
            self._context.admission.loaded(self._name)
        if phase is not before.phase:
            self._context.doors.knocked.set()
            self.tell(EventKind.PHASE, f"{before.phase} → {phase}: {reason.text}", reason.code)
        self.publish()

    def progress(self, load: LoadProgress) -> None:
        if load != self.life.load:
            self.life = msgspec.structs.replace(self.life, load=load)
            self.publish()

    def read(self, reading: EngineReading | None) -> None:
        self.reading = reading
        self.publish()

    def miss(self, misses: dict[str, tuple[Misses, ...]]) -> None:
        if misses != self.misses:
            self.misses = misses
            self.publish()

    def hear(self, canary: CanaryReading | None) -> None:
        self.canary = canary
        self.publish()

    def front(self, gateway: GatewayReading, reading: EngineReading) -> None:
        """Of one that is a gateway."""
        if gateway != self.gateway:
            self.gateway, self.reading = gateway, reading
            self.publish()

    def tell(self, kind: EventKind, text: str, code: str) -> None:
        self._context.events.append(kind, text, instance=self._name, code=code)

    def told(self, kind: EventKind, since_unix_s: float) -> bool:
        """Whether there is such an event of this instance since then."""
        return self._context.events.has(kind, self._name, since_unix_s)

    def publish(self) -> None:
        """Put what is known on the board; nothing where it neither runs nor is wanted."""
        started, living = self._runner.started, self._runner.process
        used = started.used if living and started else None
        known = self.owned or (started.owned if started else None)
        if known is None:
            return
        status = InstanceStatus(
            name=self._name,
            profile=known.profile,
            revision=known.revision,
            engine=known.spec.engine,
            model=known.spec.model,
            phase=self.life.phase,
            since_unix_s=self.life.since_unix_s,
            wanted=self.owned.spec.wanted if self.owned else Wanted.STOPPED,
            reason=self.life.reason,
            slices=started.owned.spec.slices if living and started else known.spec.slices,
            port=started.port if started else known.spec.port,
            pid=living.handle.pid if living else None,
            restarts=started.restarts if started else 0,
            load=self.life.load,
            reading=self.reading if self.life.phase in SERVES else None,
            isolation=started.isolation if living and started else None,
            canary=self.canary if self.life.phase in SERVES else None,
            misses=self.misses,
            gateway=self.gateway if self.life.phase in SERVES else None,
            load_s=self.load_s,
            runtime=used.name if used else "",
            version=used.version if used else "",
            memory=started.measured if living and started else None,
        )
        self._context.board.set_instance(status)
